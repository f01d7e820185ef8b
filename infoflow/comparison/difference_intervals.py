"""Intervals of differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from infoflow.pruning.ablation.intervals import student_interval
from infoflow.pruning.ablation.pairs import Paired

Floats = NDArray[np.float64]

#: From half a 95 % interval to half a 97.5 % one. Two of these hold together in 95 % of cases,
#: however they depend on each other (Bonferroni).
_WIDER = float(stats.norm.ppf(0.9875) / stats.norm.ppf(0.975))
#: Fewer shared samples than this are not paired.
FEWEST_SHARED = 16


def joint_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """Return a 95 % interval of second − first, whatever the dependence of the two.

    Parameters
    ----------
    first, second
        A value and the ends of its 95 % interval.

    Returns
    -------
    tuple of float
        NaN where an end is.

    Examples
    --------
    >>> low, high = joint_interval((1.0, 0.9, 1.1), (2.0, 1.8, 2.2))
    >>> round(low, 3), round(high, 3)
    (0.657, 1.343)
    """
    value, low, high = first
    other, other_low, other_high = second
    apart = other - value
    below = max(0.0, other - other_low) + max(0.0, high - value)
    above = max(0.0, other_high - other) + max(0.0, value - low)
    if np.isnan([low, high, other_low, other_high]).any():
        return np.nan, np.nan
    return apart - _WIDER * below, apart + _WIDER * above


def paired_interval(first: Floats, second: Floats, weights: Floats) -> tuple[float, float, float]:
    """Return the weighted mean of second − first, and its Student's t interval.

    Parameters
    ----------
    first, second
        (N,) losses of the same samples, per label.
    weights
        (N,) number of labels of each.

    Examples
    --------
    >>> loss = np.arange(20.0)
    >>> paired_interval(loss, loss + 0.5, np.ones(20))
    (0.5, 0.5, 0.5)
    """
    rises = (second - first) * weights
    low, high = student_interval(Paired(rises, weights))
    return float(rises.sum() / weights.sum()), low, high
