"""How well readings rank streams, with intervals that resample nets and their seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

#: Nets with fewer streams have no rank correlation worth the name.
FEWEST_STREAMS = 4
RESAMPLES = 2000

Summary = Mapping[str, Any]
#: By net and seed, one number.
Numbers = dict[str, list[float]]


def damage_of(summary: Summary, way: str, part: str = "test") -> dict[str, float]:
    """Return the bits lost by stream, of the nets that were made in one way."""
    return {row["stream"]: row[way][part] for row in summary["streams"] if way in row}


def spearman(reading: Mapping[str, float], damage: Mapping[str, float]) -> float:
    """Return Spearman's correlation over the streams that both know; NaN where there are few.

    A reading that is the same for all streams has none.
    """
    names = [name for name in damage if name in reading]
    if len(names) < FEWEST_STREAMS:
        return math.nan
    one, other = ([found[name] for name in names] for found in (reading, damage))
    if len(set(one)) == 1 or len(set(other)) == 1:
        return math.nan
    return float(stats.spearmanr(one, other).statistic)


def correlations(summaries: Sequence[Summary], reading: str | tuple[str, str], way: str) -> Numbers:
    """Return the correlations of a reading with the bits lost on the test part, net by net.

    A reading is a name of ``readings``, or a way and a part: bits lost there.
    """
    found: Numbers = {}
    for summary in summaries:
        if isinstance(reading, tuple):
            numbers = damage_of(summary, *reading)
        else:
            numbers = summary["readings"].get(reading, {})
        value = spearman(numbers, damage_of(summary, way))
        if not math.isnan(value):
            found.setdefault(summary["net"], []).append(value)
    return found


def mean_of_nets(numbers: Numbers) -> float:
    """Return the mean over nets of their means over seeds."""
    return float(np.mean([np.mean(seeds) for seeds in numbers.values()])) if numbers else math.nan


def interval_of_nets(numbers: Numbers, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Return the percentile interval of the mean over nets: nets are resampled, then their seeds.

    NaN where there are fewer than two nets.
    """
    if len(numbers) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    nets = [np.asarray(seeds) for seeds in numbers.values()]
    means = []
    for _ in range(RESAMPLES):
        drawn = [nets[number] for number in random.integers(len(nets), size=len(nets))]
        means.append(np.mean([random.choice(seeds, len(seeds)).mean() for seeds in drawn]))
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
