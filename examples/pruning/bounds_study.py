"""Which bound a verdict may rest on: coverage, wrong verdicts and firm ones, by simulation.

Usage: python examples/pruning/bounds_study.py [--quick]

Of rises whose mean is 1.2 times the tolerance, "prune" is wrong; where it is 0.4 times, "prune" is
right; where it is 0.8 times, "keep" is wrong. Coverage is of two-sided intervals at 95 %. "worst"
is the Bayesian bootstrap with the worst sample that was seen added, one-sided at 2.5, 5 or 10 %;
"t and worst" is the wider of both, at 10 % what is published and decides. The rule that a verdict
"prune" needs 236 samples comes on top. ``results/bounds.csv`` has all numbers.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from bounds_families import SIMULATED, Family, real_families
from numpy.typing import NDArray
from scipy import stats

from infoflow.pruning.ablation.betting import log_capital
from infoflow.pruning.ablation.intervals import WORST_FACTOR
from infoflow.pruning.ablation.worst_sample import exceedance

Floats = NDArray[np.float64]
RESULTS = Path(__file__).parent / "results" / "bounds.csv"
ERROR = 0.025
COUNTS = (64, 128, 256, 512)
#: What is assumed of a single sample where a bound needs it: the loss of the hard case.
KNOWN = 5.0


@dataclass(frozen=True)
class Drawn:
    """Simulated sets of rises, (sets, N), and what several bounds need of them."""

    rises: Floats

    @property
    def seen(self) -> Floats:
        """The largest change of each set."""
        return np.abs(self.rises).max(axis=1)


def student(drawn: Drawn, mean: float, sign: float) -> NDArray[np.bool_]:
    """Tell for which sets the end of Student's t interval is short of a mean."""
    x = sign * drawn.rises
    reach = stats.t.ppf(1 - ERROR, x.shape[1] - 1) * x.std(axis=1, ddof=1) / math.sqrt(x.shape[1])
    return x.mean(axis=1) + reach < sign * mean


def bootstrap(drawn: Drawn, mean: float, sign: float) -> NDArray[np.bool_]:
    """Tell it of the percentile bootstrap of 400 resamplings."""
    x, count = sign * drawn.rises, drawn.rises.shape[1]
    generator = np.random.default_rng(1)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=400) / count
    return np.quantile(x @ weights.T, 1 - ERROR, axis=1) < sign * mean


def bernstein(drawn: Drawn, mean: float, sign: float) -> NDArray[np.bool_]:
    """Tell it of Maurer and Pontil's bound (2009, theorem 4) for rises between -5 and 5 bits."""
    x, count = sign * drawn.rises, drawn.rises.shape[1]
    log = math.log(2 / ERROR)
    reach = np.sqrt(2 * x.var(axis=1, ddof=1) * log / count) + 14 * KNOWN * log / (3 * (count - 1))
    return x.mean(axis=1) + reach < sign * mean


def betting(drawn: Drawn, mean: float, sign: float, largest: Floats) -> NDArray[np.bool_]:
    """Tell it of the mixture of bets, for rises up to ``largest``."""
    x, supposed = sign * drawn.rises, sign * mean
    top = np.maximum(largest, x.max(axis=1))
    is_open = top > supposed
    found = log_capital(
        x, np.ones_like(x), np.full(len(x), supposed), np.where(is_open, top, supposed + 1e9)
    )
    return ~is_open | (found > math.log(1 / ERROR))


def worst(
    drawn: Drawn, mean: float, sign: float, largest: Floats, error: float = ERROR
) -> NDArray[np.bool_]:
    """Tell it of the Bayesian bootstrap with a sample of ``largest`` added."""
    x = sign * drawn.rises
    means = np.full(len(x), sign * mean)
    return exceedance(x, np.ones_like(x), means, largest) < error


def short_of(drawn: Drawn, mean: float, sign: float) -> dict[str, NDArray[np.bool_]]:
    """Tell for every bound which sets say that the mean is short of ``mean`` (or beyond it)."""
    known = np.full(len(drawn.rises), KNOWN)
    seen = np.maximum((sign * drawn.rises).max(axis=1), 0.0)
    single = {
        "t": student(drawn, mean, sign),
        "bootstrap": bootstrap(drawn, mean, sign),
        "Bernstein, 5 bits": bernstein(drawn, mean, sign),
        "betting, 5 bits": betting(drawn, mean, sign, known),
        "betting, seen": betting(drawn, mean, sign, drawn.seen),
        "worst, 5 bits": worst(drawn, mean, sign, known),
    }
    both = {
        f"t and worst, {error:.1%}": single["t"] & worst(drawn, mean, sign, seen, error)
        for error in (ERROR, 2 * ERROR, WORST_FACTOR * ERROR)
    }
    return {**single, **both}


def measure(family: Family, count: int, sets: int) -> Iterator[dict[str, object]]:
    """Yield a row for every bound."""
    seed = zlib.crc32(f"{family.name} {count}".encode())
    drawn = Drawn(family.draw(np.random.default_rng(seed), (sets, count)))
    above = short_of(drawn, family.mean, 1.0)
    below = short_of(drawn, family.mean, -1.0)
    is_judged = family.mean > 0.002
    wrong = short_of(drawn, family.mean / 1.2, 1.0) if is_judged else {}
    right = short_of(drawn, family.mean / 0.4, 1.0) if is_judged else {}
    kept = short_of(drawn, family.mean / 0.8, -1.0) if is_judged else {}
    for name in above:
        yield {
            "family": family.name,
            "kind": family.kind,
            "mean_bits": f"{family.mean:.4g}",
            "samples": count,
            "sets": sets,
            "bound": name,
            "coverage": f"{1 - (above[name] | below[name]).mean():.4f}",
            "misses_above": f"{above[name].mean():.4f}",
            "wrong_prune": f"{wrong[name].mean():.4f}" if is_judged else "",
            "right_prune": f"{right[name].mean():.4f}" if is_judged else "",
            "wrong_keep": f"{kept[name].mean():.4f}" if is_judged else "",
        }


def main(quick: bool = False, out: Path = RESULTS) -> None:
    """Simulate, and write the table."""
    families = [*SIMULATED, *real_families()]
    rows = []
    for family in families:
        for count in COUNTS[:2] if quick else COUNTS:
            rows += measure(family, count, 100 if quick else 500)
        typer.echo(f"{family.name}: {family.mean:.4g} bits")
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
