"""How far the nearest-neighbour estimators fall short in many dimensions.

Two cases with known truth: a correlated normal of d dimensions on each side (``infoflow.ksg``), and
two normal classes that differ along one of d axes (``infoflow.KSG``). Run with ``python
examples/coverage/nearest_neighbours.py``; it writes ``ksg_pairs.csv`` and ``ksg_classes.csv``
beside it. A few minutes on one core.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import typer
from scipy import integrate

import infoflow
from infoflow.interface import HighDimensionWarning

HERE = Path(__file__).parent
DIMENSIONS = (1, 3, 10, 25)
#: Truths of the pairs in nats, and distances between the two classes.
TRUTHS, APART = (0.5, 2.0), (1.0, 2.0, 4.0)


def of_pairs(truth: float, dimensions: int, seed: int) -> float:
    """Return what ``ksg`` finds in 1000 samples of a correlated normal, in nats."""
    correlation = math.sqrt(1 - math.exp(-2 * truth / dimensions))
    random = np.random.default_rng(seed)
    x = random.normal(size=(1000, dimensions))
    noise = random.normal(size=x.shape)
    y = correlation * x + math.sqrt(1 - correlation**2) * noise
    return infoflow.ksg(x, y, unit="nats")


def of_classes(apart: float, dimensions: int, seed: int) -> float:
    """Return what ``KSG`` finds in 2000 samples of two normal classes, in nats."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1], 1000)
    values = random.normal(size=(2000, dimensions))
    values[:, 0] += apart * labels
    return infoflow.estimate(values, labels, estimator="ksg", unit="nats").iym


def truth_of_classes(apart: float) -> float:
    """Return I(class; value) of two equally likely unit normals so far apart, in nats."""

    def surprise(at: float) -> float:
        one, other = (math.exp(-((at - c) ** 2) / 2) for c in (0.0, apart))
        mixture = (one + other) / (2 * math.sqrt(2 * math.pi))
        return -mixture * math.log(mixture)

    entropy = integrate.quad(surprise, -10, 10 + apart)[0]
    return float(entropy - 0.5 * math.log(2 * math.pi * math.e))


def rows_of(
    points: Iterable[float],
    truth: Callable[[float], float],
    find: Callable[[float, int, int], float],
    seeds: int,
) -> list[list[str]]:
    """Return a row for each truth: the mean over seeds for each number of dimensions."""
    rows = []
    for point in points:
        means = [np.mean([find(point, d, seed) for seed in range(seeds)]) for d in DIMENSIONS]
        rows.append([f"{truth(point):.3f}", *(f"{mean:.3f}" for mean in means)])
        print(*rows[-1], sep="\t", flush=True)
    return rows


def main(folder: Path = HERE) -> None:
    """Write both tables."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", HighDimensionWarning)
    tables = {
        "ksg_pairs.csv": rows_of(TRUTHS, float, of_pairs, 5),
        "ksg_classes.csv": rows_of(APART, truth_of_classes, of_classes, 4),
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["truth (nats)", *(f"d = {d}" for d in DIMENSIONS)])
            writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
