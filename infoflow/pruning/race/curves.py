"""Learning curves in bits: their area, their end, and when they come below a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from infoflow.pruning.ablation.bounds import Verdict

Floats = NDArray[np.float64]


def area(epochs: Floats, bits: Floats) -> float:
    """Return the mean of a learning curve over the training, in bits, by trapezoids.

    Parameters
    ----------
    epochs
        (R,) ascending.
    bits
        (R,) held-out loss; NaN from where the net was dropped on, which is left out.

    Examples
    --------
    >>> area(np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.5, 0.5]))
    0.5833333333333334
    """
    known = ~np.isnan(bits)
    if known.sum() < 2:
        return math.nan
    epochs, bits = epochs[known], bits[known]
    return float(np.trapezoid(bits, epochs) / (epochs[-1] - epochs[0]))


def time_to(threshold: float, epochs: Floats, bits: Floats) -> float:
    """Return the epoch at which a curve first comes down to a threshold, NaN if it never does.

    Between two epochs the curve is a straight line.

    Examples
    --------
    >>> time_to(0.6, np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.8, 0.4]))
    2.0
    """
    for place, value in enumerate(bits):
        if value <= threshold:
            if place == 0:
                return float(epochs[0])
            before, after = bits[place - 1], value
            share = (before - threshold) / (before - after) if before > after else 1.0
            return float(epochs[place - 1] + share * (epochs[place] - epochs[place - 1]))
    return math.nan


@dataclass(frozen=True)
class Difference:
    """How much worse a variant is than the whole net, in bits, over seeds.

    Parameters
    ----------
    value
        Mean over seeds of the variant's bits less the whole net's of the same seed.
    low, high
        Ends of the 95 % interval, Student's t over seeds; NaN for one seed.
    """

    value: float
    low: float
    high: float


def difference(variant: Floats, whole: Floats, level: float = 0.95) -> Difference:
    """Return the difference of two sets of numbers that are paired by seed.

    Parameters
    ----------
    variant, whole
        (S,) bits for each seed. Seeds where either is NaN are left out.
    level
        Of the interval.

    Examples
    --------
    >>> difference(np.array([1.25, 1.75]), np.array([1.0, 1.0])).value
    0.5
    """
    known = ~(np.isnan(variant) | np.isnan(whole))
    values = variant[known] - whole[known]
    count = len(values)
    if count == 0:
        return Difference(math.nan, math.nan, math.nan)
    mean = float(values.mean())
    if count < 2 or not math.isfinite(mean):
        return Difference(mean, math.nan, math.nan)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    reach = float(stats.t.ppf(0.5 + level / 2, count - 1)) * error
    return Difference(mean, mean - reach, mean + reach)


def judge(found: Difference, tolerance: float) -> Verdict:
    """Return the verdict on one measure: an interval that spans the tolerance cannot tell."""
    if found.high < tolerance:
        return "prune"
    return "keep" if found.low > tolerance else "cannot tell"


def noise_floor(bits: Floats) -> float:
    """Return the standard deviation over the whole net's seeds; NaN for one seed."""
    return float(np.std(bits, ddof=1)) if len(bits) > 1 else math.nan
