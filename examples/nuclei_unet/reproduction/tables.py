"""The claims stage: the verdicts as JSON, and as tables for the docs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.files import replacing
from common.tables import spaced, write_table

from reproduction.claims import PAPERS
from reproduction.clocks import compare_clocks, compare_repeats, worst_factor
from reproduction.costs import read_costs
from reproduction.curves import LEARNED
from reproduction.loading import load_study
from reproduction.ours import OURS, agreement, cut_readings
from reproduction.study import Seed, Study
from reproduction.verdicts import Judged, clock_text, judge

#: Columns of the paper's claims, and those of our own statements among them.
HEADER = ("claim", "paper", "ours", "untrained net", "verdict", "why")
OWN = ("claim", "ours", "untrained net", "verdict", "why")
COSTS = ("stage", "hours", "peak memory")
RUNS = (
    *("run", "model", "precision", "epochs", "the paper's in one"),
    *("segments from", "best Dice", "Dice at the end"),
)


def write_claims(results: Path, out: Path) -> list[Judged]:
    """Write ``claims.json``, and tables: claims, ours, settings, runs, and clocks if measured."""
    study, costs = load_study(results), read_costs(results / "costs.csv")
    clocks, chance = compare_clocks(study), compare_repeats(study)
    factors = worst_factor(clocks), worst_factor(chance)
    papers, ours = (
        [judge(claim, study.seeds, *factors) for claim in group] for group in (PAPERS, OURS)
    )
    _write_json(out / "claims.json", papers, ours, clocks=clocks, repeats=chance, costs=costs)
    for name, header, group in (("claims.csv", HEADER, papers), ("ours.csv", OWN, ours)):
        rows = [tuple(_entry(judged)[column] for column in header) for judged in group]
        write_table(out / name, header, rows)
    names = tuple(seed.name for seed in study.seeds)
    write_table(out / "settings.csv", ("reading", *names), _scores(study))
    write_table(out / "runs.csv", RUNS, runs_table((*study.seeds, *study.controls)))
    if costs:
        write_table(out / "costs.csv", COSTS, [_cost(cost) for cost in costs])
    if clocks:
        header, *lines = _compared((*clocks, *chance))
        write_table(out / "clocks.csv", header, lines)
    for judged in (*papers, *ours):
        entry = _entry(judged)
        print(f"  {judged.claim.name}: {entry['verdict']} ({entry['ours']})", flush=True)
    return [*papers, *ours]


def _write_json(path: Path, papers: list[Judged], ours: list[Judged], **measured: object) -> None:
    content = {
        "clock": "the paper's epochs with as much learning rate × steps",
        **measured,
        "claims": [
            {"name": judged.claim.name, "whose": whose, **_entry(judged)}
            for whose, group in (("paper", papers), ("ours", ours))
            for judged in group
        ],
    }
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _compared(pairs: Sequence[Mapping[str, float | str]]) -> list[tuple[str, ...]]:
    """Return a column for each pair of trainings."""
    return [(name, *(_number(pair[name]) for pair in pairs)) for name in pairs[0]]


def _entry(judged: Judged) -> dict[str, str]:
    row = judged.row(is_ours=judged.claim in OURS) | {"untrained net": spaced(judged.untrained)}
    return {name: row[name] for name in HEADER}


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _cost(cost: dict[str, str]) -> tuple[str, ...]:
    hours, gigabytes = float(cost["seconds"]) / 3600, float(cost["peak MB"]) / 1000
    return cost["stage"], f"{hours:.2g}", f"{gigabytes:.1f} GB"


def _scores(study: Study) -> list[tuple[str, ...]]:
    """Return how well each setting foretells the redesign, and each reading orders the cuts."""
    columns = [_scores_of(seed) for seed in study.seeds]
    readings = list(dict.fromkeys(reading for column in columns for reading in column))
    return [(reading, *(column.get(reading, "-") for column in columns)) for reading in readings]


def _scores_of(seed: Seed) -> dict[str, str]:
    scores = {}
    for setting in seed.settings:
        right, factor = agreement(seed, setting)
        score = "-" if right < 0 else f"{right} of 3, {factor:.1f}× off"
        scores[f"redesign: {setting}"] = score
    for reading, tau in cut_readings(seed).items():
        scores[f"cut: {reading}"] = f"tau {tau:.2f}" if math.isfinite(tau) else "-"
    return scores


def runs_table(seeds: Sequence[Seed]) -> list[tuple[str, ...]]:
    """Return how far each training has come, and how well."""
    rows = []
    for seed in seeds:
        for model, curve in seed.curves.items():
            done = f"{curve.clock[-1] / seed.rate:.0f} of {curve.end / seed.rate:.0f}"
            dice = f"{curve.best():.2f}", f"{curve.last:.2f}"
            learned = clock_text(curve.arrives(LEARNED))
            precision = str((seed.about or {}).get("precision", "-"))
            rows.append((seed.name, str(model), precision, done, f"{seed.rate:g}", learned, *dice))
    return rows
