"""How far a number would move with other samples, and what it would be with nothing to know.

The interval is a delete-a-group jackknife: the samples are dealt into groups, the estimate is made
without each of them in turn, and the spread of these replicates gives the standard error (J. Shao
and D. Tu, "The Jackknife and Bootstrap", Springer 1995, section 2.3). A bootstrap would draw
samples twice, and samples at distance zero bias a kernel density estimate.

The null shuffles the classes among the samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

#: Groups of the jackknife; with fewer samples, every sample is a group.
GROUPS = 50
CONFIDENCE = 0.95
#: Shuffles of the classes.
PERMUTATIONS = 100


def deal_groups(samples: int, device: torch.device | None = None) -> Tensor:
    """Return the group of each of N samples: (N,) int64, dealt at random, always the same.

    Examples
    --------
    >>> int(deal_groups(120).bincount().max())
    3
    """
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(0))
    groups = torch.empty(samples, dtype=torch.int64)
    groups[order] = torch.arange(samples) % min(samples, GROUPS)
    return groups.to(device)


def shuffled(classes: Tensor, permutations: int) -> Tensor:
    """Return classes in ``permutations`` random orders, always the same: (permutations, N)."""
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(classes), generator=generator) for _ in range(permutations)]
    if not orders:
        return classes.new_empty(0, len(classes))
    return classes[torch.stack(orders).to(classes.device)]


@dataclass(frozen=True)
class Interval:
    """Ends of a 95 % confidence interval; NaN where there is none."""

    low: float = math.nan
    high: float = math.nan


def interval(value: float, replicates: Tensor, least: float, most: float) -> Interval:
    """Return the jackknife's confidence interval around ``value``, within [least, most].

    Parameters
    ----------
    value
        The estimate from all samples.
    replicates
        (groups,) estimates without each group of samples in turn.
    least, most
        What the quantity can be at all.
    """
    groups = len(replicates)
    spread = float((replicates - replicates.mean()).square().sum())
    error = math.sqrt((groups - 1) / groups * spread)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * error
    return Interval(
        min(max(value - reach, least), most),
        max(min(value + reach, most), least),
    )


@dataclass(frozen=True)
class Null:
    """Mean and 95 % quantile of what is estimated where there is nothing to know."""

    mean: float = math.nan
    high: float = math.nan


def null_of(values: Tensor) -> Null:
    """Return the null that (permutations,) estimates make; NaN without any."""
    if not len(values):
        return Null()
    return Null(float(values.mean()), float(values.quantile(CONFIDENCE)))
