"""How far learning rates, seeds and precisions agree at equal learning rate × steps."""

from __future__ import annotations

import itertools
import math

import numpy as np

from reproduction.arrivals import AT_BEST
from reproduction.curves import LEARNED, Curve
from reproduction.study import Seed, Study

#: Dice levels between learning to segment and the best, at which arrivals are compared.
_LEVELS = 5
_FACTORS = ("clock, least ratio at equal Dice", "clock, largest ratio at equal Dice")


def compare_clocks(study: Study) -> list[dict[str, float | str]]:
    """Return how Model 1 at each learning rate differs, at equal clock, from that at each other."""
    return [
        _compare(one, other, f"rate {_rate(other)} against {_rate(one)}")
        for one, other in itertools.combinations(study.rates(), 2)
    ]


def compare_repeats(study: Study) -> list[dict[str, float | str]]:
    """Return the same for other seeds and precisions at one rate: how much of it is chance."""
    repeats = study.repeats()
    return [
        _compare(repeats[0], other, f"{other.name} against {repeats[0].name}")
        for other in repeats[1:]
    ]


def worst_factor(clocks: list[dict[str, float | str]]) -> float:
    """Return the factor by which clocks differ at most; NaN where that was not measured."""
    logs = [math.log(float(row[key])) for row in clocks for key in _FACTORS]
    known = [value for value in map(abs, logs) if math.isfinite(value)]
    return math.exp(max(known)) if known else math.nan


def _compare(main: Seed, other: Seed, name: str) -> dict[str, float | str]:
    one, two = main.curves[1], other.curves[1]
    both = min(one.clock[-1], two.clock[-1])
    at = one.clock[(one.clock > 0) & (one.clock <= both)]
    difference = np.abs(_at(one, at) - _at(two, at))
    pairs = common_looks(main, other)
    layers, others = main.read()[[a for a, _ in pairs]], other.read()[[b for _, b in pairs]]
    ratios = dice_ratios(one, two)
    return {
        "Model 1": name,
        "compared up to": float(both),
        _FACTORS[0]: min(ratios, default=math.nan),
        _FACTORS[1]: max(ratios, default=math.nan),
        "mean difference of validation Dice": float(difference.mean()) if len(at) else math.nan,
        "mean difference of I(Y;M) in bits": float(np.abs(layers - others).mean()),
        "looks that both have": float(len(pairs)),
    }


def common_looks(one: Seed, other: Seed) -> list[tuple[int, int]]:
    """Return the rows of looks at clocks within a tenth of each other."""
    nearest = [(row, int(np.abs(other.clock - at).argmin())) for row, at in enumerate(one.clock)]
    return [(a, b) for a, b in nearest if abs(other.clock[b] - one.clock[a]) <= 0.1 * one.clock[a]]


def _rate(seed: Seed) -> float:
    return float((seed.about or {}).get("learning_rate", math.nan))


def _at(curve: Curve, clock: np.ndarray) -> np.ndarray:
    return np.interp(clock, curve.clock, curve.smooth())


def dice_ratios(one: Curve, other: Curve) -> list[float]:
    """Return how much more clock the other takes to the Dice levels that claims are read at."""
    top = AT_BEST * min(one.best(), other.best())
    if top <= LEARNED:
        return []
    levels = np.linspace(LEARNED, top, _LEVELS)
    return [other.arrives(level) / one.arrives(level) for level in levels]
