"""Measure how often the doubt that anchors state holds, over 200 seeds.

The standard error is of the choice of the anchors: 1.96 of it should hold the value from all rows
of the same samples. The interval is of samples and anchors together: it should hold the mean of the
estimator over data sets of this size, which comes from data sets of its own. Run with
``python examples/coverage/anchors.py``; it writes ``anchors.csv`` beside it.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
import typer
from coverage import CLOUDS, DRAWS, NORMAL, Cloud
from torch import Tensor

from infoflow import KDE
from infoflow.estimators.anchored_kde import AnchoredKDE
from infoflow.estimators.classes import numbered
from infoflow.estimators.distances import squared_distances
from infoflow.estimators.rows import choose_rows
from infoflow.estimators.shuffles import Shuffles
from infoflow.interface import Estimate

HERE = Path(__file__).parent
SAMPLES = 1000
ANCHORS = (100, 250)
#: Seeds of the data sets whose mean is covered follow those of the intervals.
MEAN_DRAWS = 400


def drawn(cloud: Cloud, seed: int) -> tuple[Tensor, Tensor]:
    """Return (N, N) squared distances, and (N,) classes."""
    values, classes = cloud.draw(np.random.default_rng(seed), SAMPLES)
    return squared_distances(torch.from_numpy(values)), numbered(torch.from_numpy(classes))


def by_anchors(kde: KDE, distances: Tensor, classes: Tensor, count: int, seed: int) -> Estimate:
    """Return the estimate from the distances to some anchors."""
    rows = choose_rows(classes, count, seed=seed)
    meter = AnchoredKDE(kde, rows, classes, Shuffles.of(classes, kde.permutations))
    meter.add(distances[:, rows.numbers], slice(0, SAMPLES), distances.new_zeros(SAMPLES))
    return meter.estimate()


def rows_of(cloud: Cloud) -> list[dict[str, object]]:
    """Return what holds for one distribution: a row for each quantity and number of anchors."""
    kde = KDE(cloud.noise_variance, permutations=20)
    means = np.mean([kde.values(*drawn(cloud, DRAWS + seed)) for seed in range(MEAN_DRAWS)], axis=0)
    found: dict[tuple[int, str], list[tuple[float, ...]]] = {}
    for seed in range(DRAWS):
        distances, classes = drawn(cloud, seed)
        whole = kde.estimate(distances, classes)
        for count in ANCHORS:
            one = by_anchors(kde, distances, classes, count, seed)
            for name, mean in zip(("ixm", "iym"), means, strict=True):
                value, error = getattr(one, name), getattr(one, f"{name}_standard_error")
                low, high = getattr(one, f"{name}_ci_low"), getattr(one, f"{name}_ci_high")
                width = getattr(whole, f"{name}_ci_high") - getattr(whole, f"{name}_ci_low")
                gap = value - getattr(whole, name)
                numbers = (abs(gap) <= NORMAL * error, low <= mean <= high, gap, error)
                null = one.iym_null - whole.iym_null
                found.setdefault((count, name), []).append(
                    (*numbers, (high - low) / max(width, 1e-12), null)
                )
    return [_row(cloud, count, name, np.array(each)) for (count, name), each in found.items()]


def _row(cloud: Cloud, count: int, name: str, numbers: np.ndarray) -> dict[str, object]:
    held, covered, gaps, errors, widths, nulls = numbers.T
    return {
        "distribution": cloud.name,
        "quantity": name,
        "samples": SAMPLES,
        "anchors": count,
        "seeds": len(numbers),
        "standard error holds": f"{held.mean():.3f}",
        "interval covers": f"{covered.mean():.3f}",
        "bias / its error": f"{gaps.mean() / gaps.std() * len(gaps) ** 0.5:.2f}",
        "deviation (nats)": f"{gaps.std():.4f}",
        "stated (nats)": f"{errors.mean():.4f}",
        "interval, relative width": f"{np.median(widths):.2f}",
        "null, deviation (nats)": f"{np.sqrt((nulls**2).mean()):.4f}",
    }


def main(out: Path = HERE / "anchors.csv") -> None:
    """Write the table."""
    rows = [row for cloud in CLOUDS for row in rows_of(cloud)]
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
