"""95 % intervals of what a stream is worth, from paired samples, and the verdict on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.betting import betting_lower, betting_upper
from infoflow.pruning.ablation.pairs import Paired, paired, weighted_mean

__all__ = [
    "FEWEST_SAMPLES",
    "Interval",
    "Paired",
    "Verdict",
    "bits_interval",
    "default_tolerance",
    "paired",
    "samples_needed",
    "student_interval",
    "verdict",
    "weighted_mean",
]

Verdict = Literal["prune", "keep", "cannot tell"]

#: Fewer judging samples than this are refused: of 32, one plain cut in six was judged wrongly.
FEWEST_SAMPLES = 64


@dataclass(frozen=True)
class Interval:
    """A rise in bits with its interval.

    Parameters
    ----------
    value
        The rise, in bits per label, pixel, token or value.
    low, high
        Ends of the interval that is published.
    robust_low, robust_high
        Ends of an interval that also holds with rare large losses of up to ``largest_rise``.
    largest_rise
        What a single sample is assumed to lose or gain at most, in bits per label.
    level
        The share of intervals that hold the true rise.
    samples
        Number of judging samples.
    method
        How the published interval was made.
    """

    value: float
    low: float
    high: float
    robust_low: float
    robust_high: float
    largest_rise: float
    level: float
    samples: int
    method: str

    def __str__(self) -> str:
        return f"{self.value:.4g} bits [{self.low:.4g}, {self.high:.4g}]"


def student_interval(pairs: Paired, level: float = 0.95) -> tuple[float, float]:
    """Return Student's t interval of the weighted mean of rises (ratio estimator).

    The residuals ``rise − mean · weight`` have mean 0; their standard error over the mean weight
    is that of the ratio, to first order (Cochran 1977, equation 2.46).
    """
    mean, error, count = _ratio(pairs)
    reach = float(stats.t.ppf(0.5 + level / 2, count - 1)) * error
    return mean - reach, mean + reach


def _ratio(pairs: Paired) -> tuple[float, float, int]:
    """Return the weighted mean, its standard error, and the number of samples."""
    counted = pairs.weights > 0
    rises, weights = pairs.rises[counted], pairs.weights[counted]
    count = len(rises)
    if count < 2:
        raise ArgumentError(
            f"An interval needs at least 2 samples with labels, got {count}. Pass more samples."
        )
    mean = float(rises.sum() / weights.sum())
    residuals = rises - mean * weights
    spread = math.sqrt(float(residuals @ residuals) / (count - 1))
    return mean, spread / math.sqrt(count) / float(weights.mean()), count


def bits_interval(
    pairs: Paired, *, level: float = 0.95, largest_rise: float | None = None
) -> Interval:
    """Return the rise in bits with its interval, by Student's t and by betting.

    Parameters
    ----------
    pairs
        From :func:`paired`, at least 64 samples.
    level
        Share of intervals that hold the true rise.
    largest_rise
        What a single sample may lose or gain at most, in bits per label. None takes the largest
        change among the samples, so losses that were not seen at all are not guarded against.

    Raises
    ------
    ArgumentError
        If there are fewer than 64 samples, or the level is not between 0.5 and 1.
    """
    if pairs.samples < FEWEST_SAMPLES:
        raise ArgumentError(
            f"A verdict needs at least {FEWEST_SAMPLES} samples to judge with, got "
            f"{pairs.samples}. Pass more held-out samples."
        )
    if not 0.5 <= level < 1:
        raise ArgumentError(f"level must be at least 0.5 and below 1, got {level}. Use 0.95.")
    mean = weighted_mean(pairs)
    low, high = student_interval(pairs, level)
    counted = pairs.weights > 0
    seen = float(np.abs(pairs.rises[counted] / pairs.weights[counted]).max())
    largest = seen if largest_rise is None else max(seen, pairs.to_mean(largest_rise))
    error = (1 - level) / 2
    ends = (low, high, betting_lower(pairs, error, largest), betting_upper(pairs, error, largest))
    low, high, robust_low, robust_high = (pairs.to_bits(end) for end in ends)
    return Interval(
        pairs.to_bits(mean),
        low,
        high,
        robust_low=robust_low,
        robust_high=robust_high,
        largest_rise=pairs.to_bits(largest),
        level=level,
        samples=pairs.samples,
        method="Student's t",
    )


def default_tolerance(whole_bits: float, *, is_ratio: bool = False) -> float:
    """Return the rise that does not matter: 0.005 bits, or 5 % of the whole net's held-out loss.

    Parameters
    ----------
    whole_bits
        What the whole net loses, in bits per label; not used for a regression.
    is_ratio
        Whether the loss is a regression, whose mean squared error may grow by 5 %: 0.035 bits.

    Examples
    --------
    >>> default_tolerance(2.0), default_tolerance(0.01)
    (0.1, 0.005)
    """
    return 0.5 * math.log2(1.05) if is_ratio else max(0.005, 0.05 * whole_bits)


def verdict(interval: Interval, tolerance: float) -> Verdict:
    """Return what an interval says of a stream.

    ``"prune"`` if both upper ends are below the tolerance, ``"keep"`` if both lower ends are above
    it, else ``"cannot tell"``.
    """
    if max(interval.high, interval.robust_high) < tolerance:
        return "prune"
    if min(interval.low, interval.robust_low) > tolerance:
        return "keep"
    return "cannot tell"


def samples_needed(interval: Interval, tolerance: float) -> int | None:
    """Return how many more samples would tell, if the rise stays what it is; None if none would.

    The half width that comes from spread shrinks with the square root of the number of samples,
    what the robust end adds to it with the number.
    """
    if verdict(interval, tolerance) != "cannot tell":
        return 0
    gap = abs(tolerance - interval.value)
    is_prune = interval.value < tolerance
    spread = (interval.high - interval.value) if is_prune else (interval.value - interval.low)
    robust = interval.robust_high if is_prune else interval.robust_low
    extra = max(abs(robust - interval.value) - spread, 0.0)
    if not 0 < gap < math.inf:
        return None
    # gap = spread · s + extra · s² with s = sqrt(n now / n then)
    root = (
        gap / spread
        if extra == 0
        else (math.sqrt(spread**2 + 4 * extra * gap) - spread) / (2 * extra)
    )
    needed = interval.samples / min(root, 1.0) ** 2
    return max(math.ceil(needed) - interval.samples, 1) if needed < 1e9 else None
