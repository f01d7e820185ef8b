"""95 % intervals of what a stream is worth, from paired samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.betting import betting_lower, betting_upper
from infoflow.pruning.ablation.pairs import Paired, weighted_mean
from infoflow.pruning.ablation.worst_sample import worst_sample_lower, worst_sample_upper

#: Fewer judging samples than this are refused: of 32, one plain cut in six was judged wrongly.
FEWEST_SAMPLES = 64

#: Fewer than this never say "prune" by themselves: of 236 samples, one in 64 that loses very much
#: is missed in 2.5 % of cases, of 64 in 37 %.
FEWEST_TO_PRUNE = 236

#: How much more often than Student's t the ends with a worst sample may be wrong: 10 % to one side
#: for an interval of 95 %. Chosen by simulation (docs/bounds.rst): at 2.5 % they cost up to a third
#: of the right verdicts on mended nets, and wrong ones were rarer than asked.
WORST_FACTOR = 4.0

#: How intervals are made, in words.
METHOD = "Student's t of paired samples, widened by a worst sample"


@dataclass(frozen=True)
class Interval:
    """A rise in bits with its interval.

    Parameters
    ----------
    value
        The rise, in bits per label, pixel, token or value.
    low, high
        Ends of the interval that is published: Student's t, widened where a worst sample more would
        lead further.
    robust_low, robust_high
        Ends that a verdict rests on: the published ones, or, where the caller has said what a
        sample can lose at most, wider ones that hold for every distribution up to it.
    largest_rise
        The largest change of a sample, in bits per label: the largest that was seen, or what the
        caller says.
    level
        The share of intervals that hold the true rise.
    samples
        Number of judging samples.
    method
        How the published interval was made.
    is_guarded
        Whether ``largest_rise`` is the caller's, so that losses that were not seen are covered.
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
    is_guarded: bool = False

    @property
    def unseen_share(self) -> float:
        """The share of samples of which none was seen with a probability of 2.5 %.

        Examples
        --------
        >>> from infoflow.pruning.ablation.pairs import Paired
        >>> import numpy as np
        >>> pairs = Paired(np.linspace(-1, 1, 256), np.ones(256))
        >>> round(bits_interval(pairs).unseen_share, 4)
        0.0143
        """
        return float(1 - ((1 - self.level) / 2) ** (1 / self.samples))

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
    rises, weights = pairs.counted.rises, pairs.counted.weights
    count = len(rises)
    if count < 2:
        raise ArgumentError(
            f"An interval needs at least 2 samples with labels, got {count}. Pass more samples "
            "that have one."
        )
    mean = float(rises.sum() / weights.sum())
    residuals = rises - mean * weights
    spread = math.sqrt(float(residuals @ residuals) / (count - 1))
    return mean, spread / math.sqrt(count) / float(weights.mean()), count


def bits_interval(
    pairs: Paired, *, level: float = 0.95, largest_rise: float | None = None
) -> Interval:
    """Return the rise in bits with its interval.

    Parameters
    ----------
    pairs
        From :func:`paired`, at least 64 samples.
    level
        Share of intervals that hold the true rise.
    largest_rise
        What a single sample can lose or gain at most, in bits per label, for instance log₂ K where
        a sample that is no longer recognised is guessed among K classes. The robust ends then hold
        for every distribution up to it, by betting. None makes them the published ones.

    Raises
    ------
    ArgumentError
        If there are fewer than 64 samples, the level is not between 0.5 and 1, or ``largest_rise``
        is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> rises = np.random.default_rng(0).normal(0.01, 0.05, 256)
    >>> print(bits_interval(Paired(rises, np.ones(256))))
    0.01009 bits [0.003856, 0.01633]
    """
    _check(pairs, level, largest_rise)
    error = (1 - level) / 2
    student = student_interval(pairs, level)
    worst = _worst_sample(pairs, min(WORST_FACTOR * error, 0.5))
    ends = min(student[0], worst[0]), max(student[1], worst[1])
    robust, largest = ends, float(np.abs(pairs.rates).max())
    if largest_rise is not None:
        largest = max(largest, pairs.to_mean(largest_rise))
        robust = (
            min(ends[0], betting_lower(pairs, error, largest)),
            max(ends[1], betting_upper(pairs, error, largest)),
        )
    return Interval(
        pairs.to_bits(weighted_mean(pairs)),
        pairs.to_bits(ends[0]),
        pairs.to_bits(ends[1]),
        robust_low=pairs.to_bits(robust[0]),
        robust_high=pairs.to_bits(robust[1]),
        largest_rise=pairs.to_bits(largest),
        level=level,
        samples=pairs.samples,
        method=METHOD,
        is_guarded=largest_rise is not None,
    )


def _worst_sample(pairs: Paired, error: float) -> tuple[float, float]:
    """Return the ends with a sample more that gains, or loses, as much as the best or worst one."""
    gain, rise = (max(float(one.rates.max()), 0.0) for one in (pairs.reversed, pairs))
    return worst_sample_lower(pairs, error, gain), worst_sample_upper(pairs, error, rise)


def _check(pairs: Paired, level: float, largest_rise: float | None) -> None:
    if pairs.samples < FEWEST_SAMPLES:
        without = len(pairs.weights) - pairs.samples
        beside = f", and {without} without any" if without else ""
        raise ArgumentError(
            f"A verdict needs at least {FEWEST_SAMPLES} samples with a label to judge with, got "
            f"{pairs.samples}{beside}. Pass more held-out samples that have one."
        )
    if not 0.5 <= level < 1:
        raise ArgumentError(f"level must be at least 0.5 and below 1, got {level}. Use 0.95.")
    if largest_rise is not None and not 0 < largest_rise < math.inf:
        raise ArgumentError(
            f"largest_rise must be a finite number of bits above 0, got {largest_rise}. For K "
            "classes, log2(K) is what guessing costs."
        )
