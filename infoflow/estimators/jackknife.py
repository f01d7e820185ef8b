"""Replicates of any estimate without some of its samples, and the interval that they give.

J. Shao and D. Tu, "The Jackknife and Bootstrap", Springer 1995, sections 1.2 and 2.3. All in the
unit of the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor

from infoflow.estimators.doubt import CONFIDENCE, GROUPS, Interval
from infoflow.interface import ArgumentError


def kept_samples(samples: int, groups: int = GROUPS, *, seed: int = 0) -> Tensor:
    """Deal N samples into groups at random, and return which are kept when each is left out.

    Parameters
    ----------
    samples
        Number of samples N.
    groups
        Number of groups; with fewer samples, every sample is a group.
    seed
        Seed of the deal; torch's global generator is left alone.

    Returns
    -------
    Tensor
        bool, shape (groups, N). Every sample is left out once.

    Raises
    ------
    ArgumentError
        With fewer than two samples or groups.

    Examples
    --------
    >>> kept_samples(6, 3).sum(1)
    tensor([4, 4, 4])
    """
    if samples < 2 or groups < 2:
        raise ArgumentError(
            f"A jackknife needs at least 2 samples and 2 groups, got {samples} samples and "
            f"{groups} groups."
        )
    number = min(samples, groups)
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    kept = torch.ones(number, samples, dtype=torch.bool)
    kept[torch.arange(samples) % number, order] = False
    return kept


def group_jackknife(
    quantity: Callable[[Tensor], float], samples: int, *, groups: int = GROUPS, seed: int = 0
) -> Tensor:
    """Return (groups,) float64 values of a quantity without each group of samples in turn.

    Parameters
    ----------
    quantity
        Takes (kept,) int64 indices of samples, in their order, and returns the estimate from them.
    samples, groups, seed
        As for :func:`kept_samples`.

    Examples
    --------
    >>> values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    >>> sorted(group_jackknife(lambda kept: float(values[kept].mean()), 4).tolist())
    [2.0, 3.0, 3.3333332538604736, 3.6666667461395264]
    """
    kept = kept_samples(samples, groups, seed=seed)
    return torch.tensor([quantity(mask.nonzero()[:, 0]) for mask in kept], dtype=torch.float64)


def jackknife_error(replicates: Tensor) -> float:
    """Return the standard error that replicates without each of g groups give.

    It is the root of (g − 1)/g times the sum of their squared deviations from their mean.
    """
    groups = len(replicates)
    spread = float((replicates - replicates.mean()).square().sum())
    return math.sqrt((groups - 1) / groups * spread)


def jackknife_interval(
    value: float, replicates: Tensor, *, confidence: float = CONFIDENCE
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
    quantile = float(stats.t.ppf((1 + confidence) / 2, len(replicates) - 1))
    reach = quantile * jackknife_error(replicates)
    return Interval(value - reach, value + reach)


def kernel_without_each(kernel: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return I(X;M) and I(Y;M) of the kernel density estimate without each sample, in O(N²).

    Parameters
    ----------
    kernel
        (N, N) float64 values of exp(−D_ij / 2v), or 8v for the lower bound.
    classes
        (N,) int64 classes numbered from 0.

    Returns
    -------
    tuple
        Two (N,) float64 tensors, in nats. Leaving out sample k takes k_ik from every row sum.
    """
    others = len(kernel) - 1
    own = kernel * (classes[:, None] == classes)
    total = _mean_log_without_each(kernel)
    counts = classes.bincount().to(torch.float64)
    left = counts - torch.eye(len(counts), dtype=torch.float64)
    entropies = math.log(others) - torch.xlogy(left, left).sum(1) / others
    about_samples = math.log(others) - total
    about_classes = entropies[classes] - total + _mean_log_without_each(own)
    return about_samples, about_classes


def _mean_log_without_each(kernel: Tensor) -> Tensor:
    """Return (N,) means over the samples i ≠ k of log Σ_{j ≠ k} k_ij."""
    left = (kernel.sum(1)[:, None] - kernel).fill_diagonal_(1.0)
    mean: Tensor = left.log().sum(0) / (len(kernel) - 1)
    return mean
