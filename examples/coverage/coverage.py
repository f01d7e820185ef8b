"""Measure how often a nominal 95 % interval covers what it is stated for.

Stated for: the mean of the estimator over data sets of this size, which is not the true mutual
information. The mean comes from data sets of its own. Run with
``python examples/coverage/coverage.py``; it writes ``coverage.csv`` and ``coverage.txt`` beside it.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import typer
from scipy import stats
from torch import Tensor

from infoflow.estimators.distances import squared_distances
from infoflow.estimators.jackknife import Interval, deal_groups, jackknife_interval

HERE = Path(__file__).parent
NORMAL = float(stats.norm.ppf(0.975))
DRAWS = 200
#: The method that infoflow's estimators use.
_CHOSEN = "50 groups, t"
Sampler = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
Weighted = Callable[[Tensor], tuple[Tensor, Tensor]]


# ------------------------------------------------------------------------------- distributions


@dataclass(frozen=True)
class Cloud:
    """A distribution of values and classes, with the noise variance and bin size to measure it."""

    name: str
    draw: Sampler
    noise_variance: float
    bin_size: float


def gaussian(units: int, shares: tuple[float, ...], shift: float) -> Sampler:
    """Return a sampler of one Gaussian cloud per class, ``shift`` from the next."""
    centres = np.random.default_rng(0).normal(size=(len(shares), units)) * shift / math.sqrt(units)

    def draw(random: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
        classes = random.choice(len(shares), samples, p=shares)
        return centres[classes] + random.normal(size=(samples, units)), classes

    return draw


def clustered(random: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw six tight clusters of three classes; a fifth of the classes are drawn anew."""
    cluster = random.integers(0, 6, samples)
    anew = random.random(samples) < 0.2
    classes = np.where(anew, random.integers(0, 3, samples), cluster % 3)
    angle = 2 * np.pi * cluster / 6
    centres = 4 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return centres + 0.3 * random.normal(size=(samples, 2)), classes


def heavy_tailed(random: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw from Student's t with 3 degrees of freedom in two dimensions; four classes by angle."""
    values = random.normal(size=(samples, 2)) / np.sqrt(random.chisquare(3, (samples, 1)) / 3)
    noisy = values + 0.5 * random.normal(size=values.shape)
    return values, 2 * (noisy[:, 0] > 0) + (noisy[:, 1] > 0)


CLOUDS = (
    Cloud("1 dim, 2 classes", gaussian(1, (0.5, 0.5), 2.0), 0.1, 0.5),
    Cloud("10 dims, 10 classes", gaussian(10, (0.1,) * 10, 5.0), 2.0, 3.0),
    Cloud("10 dims, 2 classes", gaussian(10, (0.5, 0.5), 4.0), 1.0, 4.0),
    Cloud("6 clusters, 3 classes", clustered, 0.1, 1.0),
    Cloud("3 dims, unbalanced", gaussian(3, (0.9, 0.07, 0.03), 3.0), 0.5, 1.0),
    Cloud("heavy tails, 4 classes", heavy_tailed, 0.3, 0.5),
)


# ------------------------------------------------- estimators, for any weights of the samples


def kernel_estimator(kernel: Tensor, indicators: Tensor) -> Weighted:
    """Return I(X;M) and I(Y;M) of the KDE as a function of (N, sets) weights of the samples."""
    own = kernel * (indicators @ indicators.T)

    def measure(weights: Tensor) -> tuple[Tensor, Tensor]:
        size = weights.sum(0)
        total = torch.xlogy(weights, kernel @ weights).sum(0) / size
        within = torch.xlogy(weights, own @ weights).sum(0) / size
        counts = indicators.T @ weights
        entropy = size.log() - torch.xlogy(counts, counts).sum(0) / size
        return size.log() - total, entropy - total + within

    return measure


def binning_estimator(values: Tensor, bin_size: float, indicators: Tensor) -> Weighted:
    """Return I(X;M) and I(Y;M) of binning as a function of (N, sets) weights of the samples."""
    codes = torch.unique(torch.floor(values / bin_size), dim=0, return_inverse=True)[1]
    both = torch.unique(torch.stack([codes, indicators.argmax(1)], 1), dim=0, return_inverse=True)

    def entropy(numbers: Tensor, weights: Tensor) -> Tensor:
        counts = torch.zeros(int(numbers.max()) + 1, weights.shape[1], dtype=weights.dtype)
        counts.index_add_(0, numbers, weights)
        size = weights.sum(0)
        return size.log() - torch.xlogy(counts, counts).sum(0) / size

    def measure(weights: Tensor) -> tuple[Tensor, Tensor]:
        about = entropy(codes, weights)
        return about, entropy(indicators.argmax(1), weights) + about - entropy(both[1], weights)

    return measure


def estimators_of(cloud: Cloud, seed: int, samples: int) -> Iterator[tuple[str, Weighted]]:
    """Yield each estimator of one data set."""
    drawn, classes = cloud.draw(np.random.default_rng(seed), samples)
    values = torch.from_numpy(drawn)
    indicators = torch.nn.functional.one_hot(torch.from_numpy(classes).long()).double()
    distances = squared_distances(values)
    for name, factor in (("KDE upper", 2.0), ("KDE lower", 8.0)):
        kernel = torch.exp(distances / (-factor * cloud.noise_variance))
        yield name, kernel_estimator(kernel, indicators)
    yield "binning", binning_estimator(values, cloud.bin_size, indicators)


# ------------------------------------------------------------------------------ interval methods


def normal_around(value: float, error: float) -> Interval:
    """Return the interval of normal quantiles."""
    return Interval(value - NORMAL * error, value + NORMAL * error)


def jackknifed(value: float, replicates: Tensor) -> dict[str, Interval]:
    """Return the intervals from leaving out each sample, or group, with normal quantiles and t."""
    groups = len(replicates)
    error = math.sqrt((groups - 1) * float(replicates.var(correction=0)))
    return {"normal": normal_around(value, error), "t": jackknife_interval(value, replicates)}


def subsampled(value: float, replicates: Tensor, size: int, kept: int) -> Interval:
    """Return the interval from random subsets without repeats, scaled from their size to N."""
    return normal_around(value, float(replicates.std()) * math.sqrt(kept / (size - kept)))


def bootstrapped(value: float, replicates: Tensor) -> dict[str, Interval]:
    """Return the percentiles, and normal quantiles with the bootstrap's standard error."""
    low, high = replicates.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    spread = normal_around(value, float(replicates.std()))
    return {"bootstrap, percentile": Interval(low, high), "bootstrap, normal": spread}


def _kept(samples: int, groups: int, seed: int = 0) -> Tensor:
    """Return (N, groups) weights: zero for the samples of the group that is left out."""
    dealt = deal_groups(samples, groups=groups, seed=seed)
    return (dealt[:, None] != torch.arange(min(samples, groups))).double()


def weight_sets(samples: int, seed: int) -> dict[str, Tensor]:
    """Return (N, sets) weights of the samples for every method."""
    random = np.random.default_rng([seed, 1])
    half = [random.permutation(samples) < samples // 2 for _ in range(DRAWS)]
    counts = random.multinomial(samples, np.full(samples, 1 / samples), DRAWS)
    return {
        "all": torch.ones(samples, 1, dtype=torch.float64),
        "each": _kept(samples, samples),
        "50 groups": _kept(samples, 50, seed),
        "20 groups": _kept(samples, 20, seed),
        "half": torch.from_numpy(np.stack(half, 1)).double(),
        "bootstrap": torch.from_numpy(counts.T).double(),
    }


def intervals(
    measure: Weighted, weights: dict[str, Tensor]
) -> Iterator[tuple[str, str, float, Interval]]:
    """Yield quantity, method, value and interval."""
    results = {name: measure(sets) for name, sets in weights.items()}
    for place, quantity in enumerate(("I(X;M)", "I(Y;M)")):
        replicates = {name: pair[place] for name, pair in results.items()}
        value = float(replicates["all"])
        size = len(weights["all"])
        found = {
            "leave one out, normal": jackknifed(value, replicates["each"])["normal"],
            "50 groups, t": jackknifed(value, replicates["50 groups"])["t"],
            "20 groups, t": jackknifed(value, replicates["20 groups"])["t"],
            "20 groups, normal": jackknifed(value, replicates["20 groups"])["normal"],
            "random halves, normal": subsampled(value, replicates["half"], size, size // 2),
            **bootstrapped(value, replicates["bootstrap"]),
        }
        for method, ends in found.items():
            yield quantity, method, value, ends


# ---------------------------------------------------------------------------------- experiment


def expectations(cloud: Cloud, samples: int, sets: int) -> dict[tuple[str, str], float]:
    """Return each estimator's mean over data sets that no interval is made from."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    weights = torch.ones(samples, 1, dtype=torch.float64)
    for seed in range(1_000_000, 1_000_000 + sets):
        for name, measure in estimators_of(cloud, seed, samples):
            for quantity, value in zip(("I(X;M)", "I(Y;M)"), measure(weights), strict=True):
                sums[name, quantity] += float(value) / sets
    return sums


def coverage(cloud: Cloud, samples: int, seeds: int, sets: int) -> list[dict[str, object]]:
    """Return one row per estimator, quantity and method; values in nats."""
    targets = expectations(cloud, samples, sets)
    hits: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    widths: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in range(seeds):
        weights = weight_sets(samples, seed)
        for name, measure in estimators_of(cloud, seed, samples):
            for quantity, method, value, ends in intervals(measure, weights):
                key = (name, quantity, method)
                hits[key].append(ends.low <= targets[key[:2]] <= ends.high)
                widths[key].append(ends.high - ends.low)
                values[key[:2]].append(value)
    return [
        {
            "cloud": cloud.name,
            "samples": samples,
            "estimator": key[0],
            "quantity": key[1],
            "method": key[2],
            "covered": float(np.mean(hits[key])),
            "mean width": float(np.mean(widths[key])),
            "ideal width": 2 * NORMAL * float(np.std(values[key[:2]])),
            "stated for": targets[key[:2]],
        }
        for key in hits
    ]


def table(rows: list[dict[str, object]], seeds: int) -> str:
    """Return one line per method: how often it covers, over all cases."""
    by_method: dict[object, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        by_method[row["method"]].append(row)
    lines = [
        f"Share of {seeds} data sets whose nominal 95 % interval covers the estimator's mean over",
        "data sets of that size; width relative to 2 x 1.96 standard deviations of the estimate.",
        "",
        f"{'method':24}{'mean':>7}{'least':>7}{'most':>7}{'in 90-99 %':>12}{'width':>7}",
    ]
    for method, group in by_method.items():
        shares = np.array([row["covered"] for row in group], dtype=float)
        width = np.median([row["mean width"] / row["ideal width"] for row in group])  # type: ignore[operator]
        good = int(((shares >= 0.9) & (shares <= 0.99)).sum())
        lines.append(
            f"{method:24}{shares.mean():7.3f}{shares.min():7.3f}{shares.max():7.3f}"
            f"{good:>5} of {len(shares):<4}{width:7.2f}"
        )
    lines += ["", f"Outside 90-99 % with {_CHOSEN}:", *_exceptions(by_method[_CHOSEN])]
    return "\n".join(lines) + "\n"


def _exceptions(rows: list[dict[str, object]]) -> list[str]:
    return [
        f"{row['cloud']}, N = {row['samples']}, {row['estimator']}, {row['quantity']}: "
        f"{row['covered']:.3f} around {row['stated for']:.4f} nats"
        for row in rows
        if not 0.9 <= float(str(row["covered"])) <= 0.99
    ]


def main(seeds: int = 200, sets: int = 1000, folder: Path = HERE) -> None:
    """Run every cloud at N = 100 and N = 600."""
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for samples in (100, 600):
        for cloud in CLOUDS:
            rows += coverage(cloud, samples, seeds, sets if samples > 100 else 3 * sets)
            print(f"{cloud.name}, N = {samples}: done", flush=True)
    with (folder / "coverage.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: f"{cell:.4g}" if isinstance(cell, float) else cell for key, cell in row.items()}
            for row in rows
        )
    text = table(rows, seeds)
    (folder / "coverage.txt").write_text(text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
