"""The claims stage of a study that compares learning rates alone: its questions as a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common.tables import spaced, write_table
from common.verdicts import Answer

from reproduction.curves import Numbers
from reproduction.loading import load_rates
from reproduction.rates import (
    FEWEST_SEEDS,
    Rates,
    between_rates,
    between_seeds,
    clock_ratios,
    clocks_agree,
    distances_agree,
    layer_distances,
    orders_agree,
)
from reproduction.read_layers import layers_in_order
from reproduction.read_models import models_in_order
from reproduction.study import Seed
from reproduction.tables import RUNS, runs_table
from reproduction.verdicts import clock_text

HEADER = ("question", "rates", "by seed", "between seeds", "epochs", "verdict", "why")
_ORDERS: tuple[tuple[str, Callable[[Seed], Answer]], ...] = (
    ("Layers 20 and 17 come up before 14, and that before 11", layers_in_order),
    ("Models 1 and 2 come up before 3, and that before 4", models_in_order),
)
#: Where no training has come far enough.
NONE = "none yet"
_WORDS = {True: "holds", False: "does not hold", None: "cannot tell"}


@dataclass(frozen=True)
class Finding:
    """A row of the table, in words; ``epochs`` are the paper's, up to which all seeds came."""

    question: str
    rates: str
    by_seed: str
    between_seeds: str
    epochs: str
    verdict: str
    why: str


def write_rates(results: Path, out: Path) -> list[Finding]:
    """Write ``rates.csv``, the questions with their verdicts, and ``runs.csv``."""
    rates = load_rates(results)
    found = find(rates)
    rows = [tuple(spaced(cell) for cell in astuple(finding)) for finding in found]
    write_table(out / "rates.csv", HEADER, rows)
    write_table(
        out / "runs.csv", RUNS, runs_table([s for row in rates.values() for s in row.values()])
    )
    for finding in found:
        print(f"  {finding.question}, {finding.rates}: {finding.verdict} ({finding.by_seed})")
    return found


def find(rates: Rates) -> list[Finding]:
    """Return the answer to each question, for each pair of rates and for each rate."""
    pairs = list(itertools.combinations(rates, 2))
    return [
        *(_clocks(rates, *pair) for pair in pairs),
        *(_bits(rates, *pair) for pair in pairs),
        *(_order(words, rates, rate, read) for words, read in _ORDERS for rate in rates),
    ]


def _clocks(rates: Rates, one: float, other: float) -> Finding:
    apart = between_rates(rates, one, other, clock_ratios)
    chance = list(itertools.chain(*between_seeds(rates, one, other, clock_ratios)))
    why = _unfinished(rates, (one, other))
    holds = None if why else clocks_agree(list(apart.values()), chance)
    off = max((max(ratio, 1 / ratio) for ratio in chance), default=None)
    return Finding(
        "Ratio of clocks to the same Dice and loss",
        f"{one:g}, {other:g}",
        _by_seed(apart, _spread),
        NONE if off is None else f"up to {off:.2f} times",
        _until(rates, (one, other)),
        _WORDS[holds],
        why or ("" if holds is not None else "seeds disagree, or chance parts clocks as far"),
    )


def _bits(rates: Rates, one: float, other: float) -> Finding:
    apart = between_rates(rates, one, other, layer_distances)
    chance = [float(row.mean()) for row in between_seeds(rates, one, other, layer_distances)]
    why = _unfinished(rates, (one, other))
    holds = None if why else distances_agree([float(r.mean()) for r in apart.values()], chance)
    return Finding(
        "Mean difference of I(Y;M) in bits",
        f"{one:g}, {other:g}",
        _by_seed(apart, _largest),
        f"{np.mean(chance):.2f}" if chance else NONE,
        _until(rates, (one, other)),
        _WORDS[holds],
        why or ("" if holds is not None else "seeds disagree"),
    )


def _order(words: str, rates: Rates, rate: float, read: Callable[[Seed], Answer]) -> Finding:
    models = 4 if read is models_in_order else 1
    ended = {n: seed for n, seed in rates[rate].items() if _has_come(seed, models)}
    answers = {number: read(seed) for number, seed in ended.items()}
    why = _unfinished(rates, (rate,), models)
    holds = None if why else orders_agree([answer.holds for answer in answers.values()])
    reasons = dict.fromkeys(answer.why for answer in answers.values() if answer.why)
    return Finding(
        words,
        f"{rate:g}",
        _by_seed(answers, lambda answer: f"{_WORDS[answer.holds]}: {answer.text}"),
        "",
        _until(rates, (rate,)),
        _WORDS[holds],
        why or ("" if holds is not None else "; ".join(reasons) or "seeds disagree"),
    )


def _by_seed(found: dict[int, Any], form: Callable[[Any], str]) -> str:
    return "; ".join(f"seed {number}: {form(value)}" for number, value in found.items()) or NONE


def _spread(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "no level in common"


def _largest(distances: Numbers) -> str:
    if not np.isfinite(distances).all():
        return "no look in common"
    return f"{distances.mean():.2f} (layer {distances.argmax()}: {distances.max():.2f})"


def _until(rates: Rates, which: Iterable[float]) -> str:
    return clock_text(min(float(seed.curves[1].clock[-1]) for seed in _seeds(rates, which)))


def _seeds(rates: Rates, which: Iterable[float]) -> Iterator[Seed]:
    return (seed for rate in which for seed in rates[rate].values())


def _unfinished(rates: Rates, which: Iterable[float], models: int = 1) -> str:
    """Say how many seeds lack a finished Model 1, or some of the models; empty where none does."""
    parts = []
    for rate in which:
        ended = sum(_has_come(seed, models) for seed in rates[rate].values())
        if ended < FEWEST_SEEDS:
            parts.append(f"{FEWEST_SEEDS - ended} of {FEWEST_SEEDS} seeds at {rate:g}")
    return f"Not finished: {' and '.join(parts)}" if parts else ""


def _has_come(seed: Seed, models: int) -> bool:
    curves = [seed.curves.get(model) for model in range(1, models + 1)]
    return seed.has_come and all(curve is not None and curve.has_come for curve in curves)
