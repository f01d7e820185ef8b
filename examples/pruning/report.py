"""Put the trials of all nets and seeds together: tables and figures for the docs.

Usage: python examples/pruning/report.py --trials examples/pruning/results --out docs
"""

from __future__ import annotations

import csv
import json
import math
import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import matplotlib as mpl
import torch
import typer

import infoflow
from infoflow.pruning.trial.outcome import MEASURES

mpl.use("Agg")

#: The trials that the docs show.
RESULTS = Path(__file__).parent / "results"
METRICS = {"nuclei": "validation Dice", "resnet": "test accuracy", "densenet": "test accuracy"}
NAMES = {"nuclei": "nuclei U-Net", "resnet": "ResNet, MNIST", "densenet": "DenseNet, MNIST"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Trials = dict[str, list[infoflow.PruningTrial]]


def read(folder: Path) -> Trials:
    """Return the finished trials of each task, seed by seed."""
    found: Trials = {}
    for task in METRICS:
        paths = sorted(folder.glob(f"{task}_*/trial.json"))
        trials = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        if trials:
            found[task] = [infoflow.PruningTrial.from_dict(trial) for trial in trials]
    return found


def spread(values: Iterable[float], form: str = ".3f") -> str:
    """Return the mean with the smallest and the largest, or the one value."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return ""
    mean = format(fmean(known), form)
    if len(known) == 1:
        return mean
    return f"{mean} ({min(known):{form}} to {max(known):{form}})"


def removed_rows(trials: Trials) -> list[dict[str, Any]]:
    """Return a row for each stream that was removed alone, and for each set that all seeds have."""
    rows = []
    for task, several in trials.items():
        for first in several[0].rows:
            same = [row for t in several for row in t.rows if row.name == first.name]
            if len(same) < len(several) and first.kind != "whole":
                continue
            whole = several[0].whole
            rows.append(
                {
                    "net": NAMES[task],
                    "removed": first.name,
                    **{m: spread(row.metric(m) for row in same) for m in MEASURES},
                    "parameters": f"{first.parameters / whole.parameters:.1%}",
                    "multiply-adds": f"{first.multiply_adds / whole.multiply_adds:.1%}",
                    "memory": f"{first.activation_bytes / whole.activation_bytes:.1%}",
                    "time": spread((row.latency for row in same), ".2f"),
                }
            )
    return rows


def set_rows(trials: Trials) -> list[dict[str, Any]]:
    """Return a row for each advised set, and the sets that it is compared with, of every seed."""
    rows = []
    for task, several in trials.items():
        for seed, trial in enumerate(several):
            for row in trial.rows:
                if row.kind in ("whole", "alone"):
                    continue
                rows.append(
                    {
                        "net": NAMES[task],
                        "seed": seed,
                        "removed": row.name,
                        "streams": len(row.streams),
                        **{m: _three(row.metric(m)) for m in MEASURES},
                        "parameters": f"{row.parameters / trial.whole.parameters:.1%}",
                    }
                )
    return rows


def _three(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def ranking_rows(trials: Trials) -> list[dict[str, Any]]:
    """Return, for each reading and measure, the rank correlation in each net, mean over seeds."""
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    intervals: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for task, several in trials.items():
        for trial in several:
            for one in trial.rankings:
                found[one.measure, one.reading][task].append(one.correlation)
        for key, value in _pooled(several).items():
            intervals[key][task] = value
    rows = []
    for (measure, reading), by_task in found.items():
        means = [_mean(by_task.get(task, [])) for task in trials]
        rows.append(
            {
                "damage": measure,
                "reading": reading,
                **{NAMES[t]: intervals[measure, reading].get(t, "") for t in trials},
                # of nets that all have a correlation, or it would be a mean of others
                "mean": "?" if any(map(math.isnan, means)) else f"{fmean(means):+.2f}",
            }
        )
    order = {measure: place for place, measure in enumerate(MEASURES)}
    return sorted(rows, key=lambda row: (order[row["damage"]], -_sortable(row["mean"])))


def _sortable(text: str) -> float:
    return -2.0 if text == "?" else float(text)


def _pooled(several: Sequence[infoflow.PruningTrial]) -> dict[tuple[str, str], str]:
    """Return each net's correlation, mean over seeds, with the means of the intervals' ends."""
    by_key: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for trial in several:
        for one in trial.rankings:
            by_key[one.measure, one.reading].append(one)
    return {key: _correlations(found) for key, found in by_key.items()}


def _correlations(found: Sequence[Any]) -> str:
    values = [one.correlation for one in found if not math.isnan(one.correlation)]
    if not values:
        return "?"
    low = fmean(one.ci_low for one in found if not math.isnan(one.correlation))
    high = fmean(one.ci_high for one in found if not math.isnan(one.correlation))
    return f"{fmean(values):+.2f} [{low:+.2f}, {high:+.2f}]"


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@app.command()
def main(
    trials: Annotated[Path, typer.Option(help="Where run.py wrote to.")] = RESULTS,
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")] = Path("docs"),
) -> None:
    """Write pruning_removed.csv, pruning_sets.csv, pruning_rankings.csv and a figure a net."""
    found = read(trials)
    if not found:
        raise typer.BadParameter(f"{trials} holds no trial.json. Run run.py first.")
    write(out / "pruning_removed.csv", removed_rows(found))
    if set_rows(found):
        write(out / "pruning_sets.csv", set_rows(found))
    write(out / "pruning_rankings.csv", ranking_rows(found))
    for task, several in found.items():
        axes = infoflow.plots.trial(several[0], metric=f"{METRICS[task]}, {NAMES[task]}, seed 0")
        axes.figure.savefig(out / f"pruning_{task}.png", dpi=110)
    seeds = {NAMES[task]: len(several) for task, several in found.items()}
    typer.echo(f"{seeds} seeds; torch {torch.__version__}, {platform.machine()}")


if __name__ == "__main__":
    app()
