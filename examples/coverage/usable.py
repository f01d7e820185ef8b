"""Measure how often the 95 % interval of usable information covers what it is stated for.

Two quantities that it might be stated for: the mean of the estimate over data sets of this size,
and the truth, H(Y) − H(Y|X), which a linear probe reaches in both cases with data without end. Run
with ``python examples/coverage/usable.py``; it writes ``usable.csv`` beside it. About six minutes
on one core.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import typer
from scipy import integrate, special, stats

from infoflow.estimators.usable import UsableInformation, usable_information

HERE = Path(__file__).parent
Sampler = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
#: p(x, y) of four symbols and three labels.
TABLE = np.array([[0.2, 0.03, 0.02], [0.05, 0.2, 0.0], [0.1, 0.05, 0.1], [0.02, 0.03, 0.2]])


@dataclass(frozen=True)
class Case:
    """A joint distribution of features and labels, and its information in bits."""

    name: str
    draw: Sampler
    truth: float


def logistic(random: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw four normal features; the logit of the label is twice the first."""
    values = random.normal(size=(samples, 4))
    return values, (random.random(samples) < special.expit(2 * values[:, 0])).astype(int)


def tabled(random: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw symbols, as indicators, and labels from the table."""
    cells = random.choice(TABLE.size, samples, p=TABLE.flatten())
    return np.eye(len(TABLE))[cells // TABLE.shape[1]], cells % TABLE.shape[1]


def _logistic_truth() -> float:
    def remaining(x: float) -> float:
        p = special.expit(2 * x)
        return float(stats.norm.pdf(x) * (special.entr(p) + special.entr(1 - p)))

    return 1 - float(integrate.quad(remaining, -10, 10)[0]) / math.log(2)


def _table_truth() -> float:
    shares = special.entr(TABLE.sum(0)).sum() + special.entr(TABLE.sum(1)).sum()
    return float(shares - special.entr(TABLE).sum()) / math.log(2)


CASES = (
    Case("logit linear in a Gaussian", logistic, _logistic_truth()),
    Case("table of 4 symbols, 3 labels", tabled, _table_truth()),
)


def estimates(case: Case, samples: int, seeds: range) -> list[UsableInformation]:
    """Return the estimates of a linear probe on data sets of their own."""
    sets = (case.draw(np.random.default_rng(seed), samples) for seed in seeds)
    return [usable_information(values, labels) for values, labels in sets]


def row_of(case: Case, samples: int, seeds: int, others: int) -> dict[str, str | int]:
    """Return the coverage of both quantities; the mean is that of other data sets."""
    mean = float(np.mean([e.value for e in estimates(case, samples, range(10**6, 10**6 + others))]))
    found = estimates(case, samples, range(seeds))
    spread = 2 * stats.norm.ppf(0.975) * np.std([e.value for e in found])

    def covered(quantity: float) -> str:
        return f"{np.mean([e.ci_low <= quantity <= e.ci_high for e in found]):.3f}"

    return {
        "distribution": case.name,
        "samples": samples,
        "truth (bits)": f"{case.truth:.3f}",
        "mean estimate": f"{mean:.3f}",
        "mean covered": covered(mean),
        "truth covered": covered(case.truth),
        "width over ideal": f"{np.mean([e.ci_high - e.ci_low for e in found]) / spread:.2f}",
    }


def main(seeds: int = 200, others: int = 300, folder: Path = HERE) -> None:
    """Run both cases at N = 100 and N = 400."""
    torch.set_num_threads(1)
    rows = []
    for samples in (100, 400):
        for case in CASES:
            rows.append(row_of(case, samples, seeds, others))
            print(rows[-1], flush=True)
    with (folder / "usable.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
