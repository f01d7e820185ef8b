"""Measure how often the doubt of a large kernel density estimate holds, over 200 seeds.

Beyond 2,000 samples, interval, null and the second bound take 500 rows of the kernel. Here they
take 150 rows of 600 samples, so that 200 data sets of six distributions take minutes. The interval
should hold the mean of the estimator over data sets of this size, which comes from data sets of its
own. The second bound should be beyond that from all rows, as it is widened by two standard errors.
The null from the rows should lie where that of all rows lies. Run with
``python examples/coverage/sampled.py``; it writes ``sampled.csv`` beside it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import typer
from coverage import CLOUDS, DRAWS, Cloud
from torch import Tensor

from infoflow import KDE
from infoflow.estimators import kde as kde_module
from infoflow.estimators.classes import numbered
from infoflow.estimators.distances import squared_distances
from infoflow.interface import Estimate

HERE = Path(__file__).parent
SAMPLES = 2100
#: Seeds of the data sets whose mean is covered follow those of the intervals.
MEAN_DRAWS = 200


def drawn(cloud: Cloud, seed: int) -> tuple[Tensor, Tensor]:
    """Return (N, N) squared distances, and (N,) classes."""
    values, classes = cloud.draw(np.random.default_rng(seed), SAMPLES)
    return squared_distances(torch.from_numpy(values)), numbered(torch.from_numpy(classes))


def by_all_rows(kde: KDE, distances: Tensor, classes: Tensor) -> Estimate:
    """Return the estimate whose doubt takes all rows."""
    with mock.patch.object(kde_module, "FEW_SAMPLES", SAMPLES):
        return kde.estimate(distances, classes)


def rows_of(cloud: Cloud) -> list[dict[str, object]]:
    """Return what holds for one distribution: a row for each quantity."""
    kde = KDE(cloud.noise_variance)
    means = np.mean([kde.values(*drawn(cloud, DRAWS + seed)) for seed in range(MEAN_DRAWS)], axis=0)
    found: dict[str, list[tuple[float, ...]]] = {"ixm": [], "iym": []}
    for seed in range(DRAWS):
        distances, classes = drawn(cloud, seed)
        some, whole = kde.estimate(distances, classes), by_all_rows(kde, distances, classes)
        spread = max(whole.iym_null_high - whole.iym_null, 1e-12)
        null = (
            (some.iym_null - whole.iym_null) / spread,
            (some.iym_null_high - some.iym_null) / spread,
        )
        for name, mean in zip(found, means, strict=True):
            ends = [
                (getattr(e, f"{name}_ci_low"), getattr(e, f"{name}_ci_high")) for e in (some, whole)
            ]
            held = [low <= mean <= high for low, high in ends]
            width = (ends[0][1] - ends[0][0]) / max(ends[1][1] - ends[1][0], 1e-12)
            gap = getattr(whole, f"{name}_lower") - getattr(some, f"{name}_lower")
            found[name].append((*held, width, gap >= 0, gap, *null))
    return [_row(cloud, name, np.array(each)) for name, each in found.items()]


def _row(cloud: Cloud, name: str, numbers: np.ndarray) -> dict[str, object]:
    covered, by_all, widths, below, gaps, nulls, spreads = numbers.T
    about_y = name == "iym"
    return {
        "distribution": cloud.name,
        "quantity": name,
        "samples": SAMPLES,
        "seeds": len(numbers),
        "interval covers": f"{covered.mean():.3f}",
        "that of all rows covers": f"{by_all.mean():.3f}",
        "interval over that of all rows": f"{np.median(widths):.2f}",
        "lower bound holds": f"{below.mean():.3f}",
        "lower bound is lower by (nats)": f"{gaps.mean():.4f}",
        "null is beside that of all rows by (its spreads)": f"{nulls.mean():.2f}"
        if about_y
        else "",
        "spread of the null over that of all rows": f"{np.median(spreads):.2f}" if about_y else "",
    }


def main() -> None:
    """Write the table."""
    rows = [row for cloud in CLOUDS for row in rows_of(cloud)]
    with (HERE / "sampled.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
