"""How far a number would move with other samples: a delete-a-group jackknife.

The samples are dealt into groups, the estimate is made without each of them in turn, and the spread
of these replicates gives a standard error (J. Shao and D. Tu, "The Jackknife and Bootstrap",
Springer 1995, sections 1.2 and 2.3), in the unit of the estimate. A bootstrap would draw samples
twice, and samples at distance zero bias a kernel density estimate; examples/coverage compares them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from infoflow.interface import ArgumentError

#: Groups of the jackknife; with fewer samples, every sample is a group.
GROUPS = 50
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Ends of a confidence interval, and the replicates that it rests on; NaN and none without."""

    low: float = math.nan
    high: float = math.nan
    replicates: tuple[float, ...] = field(default=(), repr=False)


def deal_groups(
    samples: int, device: torch.device | None = None, *, groups: int = GROUPS, seed: int = 0
) -> Tensor:
    """Return the group of each of N samples: (N,) int64, dealt at random from a seed.

    Raises
    ------
    ArgumentError
        With fewer than two samples or groups.

    Examples
    --------
    >>> deal_groups(120).bincount().max()
    tensor(3)
    """
    if samples < 2 or groups < 2:
        raise ArgumentError(
            f"A jackknife needs at least 2 samples and 2 groups, got {samples} samples and "
            f"{groups} groups."
        )
    return _dealt(samples, groups, seed).to(device, copy=True)


@lru_cache(maxsize=8)
def _dealt(samples: int, groups: int, seed: int) -> Tensor:
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed), device="cpu")
    dealt = torch.empty(samples, dtype=torch.int64, device="cpu")
    dealt[order] = torch.arange(samples, dtype=torch.int64, device="cpu") % min(samples, groups)
    return dealt


def group_jackknife(
    quantity: Callable[[Tensor], float], samples: int, *, groups: int = GROUPS, seed: int = 0
) -> Tensor:
    """Return (groups,) float64 values of a quantity without each group of samples in turn.

    Parameters
    ----------
    quantity
        Takes (kept,) int64 indices of samples, in their order, and returns the estimate from them.
    samples, groups, seed
        As for :func:`deal_groups`.

    Examples
    --------
    >>> values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    >>> sorted(group_jackknife(lambda kept: float(values[kept].mean()), 4).tolist())
    [2.0, 3.0, 3.3333332538604736, 3.6666667461395264]
    """
    dealt = deal_groups(samples, groups=groups, seed=seed)
    parts = [(dealt != group).nonzero()[:, 0] for group in range(min(samples, groups))]
    return torch.tensor([quantity(kept) for kept in parts], dtype=torch.float64, device="cpu")


def jackknife_error(replicates: Tensor) -> float:
    """Return the standard error that replicates without each of g groups give.

    It is the root of (g − 1)/g times the sum of their squared deviations from their mean.
    """
    groups = len(replicates)
    spread = float((replicates - replicates.mean()).square().sum())
    return math.sqrt((groups - 1) / groups * spread)


def jackknife_interval(
    value: float,
    replicates: Tensor,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return the interval of Student's t with as many degrees of freedom as groups, less one.

    What it covers is the mean of the estimator over data sets of this size, not a truth that the
    estimator is biased for.

    Parameters
    ----------
    value
        The estimate from all samples.
    replicates
        (groups,) estimates without each group of samples in turn.
    least, most
        What the quantity can be at all.
    confidence
        Nominal coverage, above 0 and below 1.

    Raises
    ------
    ArgumentError
        If there are fewer than two replicates, or the confidence is not between 0 and 1.

    Examples
    --------
    >>> values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    >>> replicates = group_jackknife(lambda kept: float(values[kept].mean()), 4)
    >>> ends = jackknife_interval(3.0, replicates)
    >>> round(ends.low, 3), round(ends.high, 3)
    (-0.437, 6.437)
    """
    if len(replicates) < 2:
        raise ArgumentError(f"A jackknife needs at least 2 replicates, got {len(replicates)}.")
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence must be between 0 and 1, got {confidence}. Try 0.95.")
    reach = students_t(len(replicates) - 1, confidence) * jackknife_error(replicates)
    low, high = min(max(value - reach, least), most), max(min(value + reach, most), least)
    return Interval(low, high, tuple(replicates.tolist()))


def students_t(degrees: float, confidence: float = CONFIDENCE) -> float:
    """Return what a standard error is multiplied by: the two-sided quantile of Student's t.

    Examples
    --------
    >>> round(students_t(4), 3)
    2.776
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + confidence) / 2))
