"""The verdict on a stream, from the interval of what it is worth."""

from __future__ import annotations

import math
from typing import Literal

from infoflow.pruning.ablation.intervals import FEWEST_TO_PRUNE, Interval

Verdict = Literal["prune", "keep", "cannot tell"]


#: What may be lost of the bits that the whole net's prediction knows, and, where these are not
#: known, of its loss: chosen on the first half of the nets (examples/pruning/CRITERIA.md).
KNOWN_SHARE, LOSS_SHARE = 0.025, 0.05
#: So many bits may be lost in any case, but for a tenth of what the net knows.
FLOOR, FLOOR_SHARE = 0.005, 0.1
#: By how much a regression's mean squared error may grow.
ERROR_SHARE = 0.05


def default_tolerance(
    whole_bits: float, *, known: float | None = None, is_ratio: bool = False
) -> float:
    """Return the rise that does not matter, in bits per label.

    Parameters
    ----------
    whole_bits
        What the whole net loses, in bits per label.
    known
        By how many bits it predicts better than the best constant prediction; None where there is
        none.
    is_ratio
        Whether the loss is a regression, whose mean squared error may grow by 5 %: 0.035 bits.

    Returns
    -------
    float
        2.5 % of the known bits, at least 0.005 bits, which in turn are at most a tenth of the known
        bits; without known bits, 5 % of the loss, at least 0.005 bits.

    Notes
    -----
    A share of the loss would be smallest for the best nets, while a calibrated net that loses r
    bits on average loses √(2 r / ln 2) more or less on a single sample: 256 samples tell 0.005 bits
    only from less than 0.0005 and more than 0.05. A share of what is known can be told.

    Examples
    --------
    >>> default_tolerance(0.1, known=4.0), default_tolerance(0.3, known=0.1)
    (0.1, 0.005)
    >>> default_tolerance(2.0), default_tolerance(0.01)
    (0.1, 0.005)
    """
    if is_ratio:
        return 0.5 * math.log2(1 + ERROR_SHARE)
    if known is None:
        return max(FLOOR, LOSS_SHARE * whole_bits)
    if known <= 0:
        return FLOOR
    return max(min(FLOOR, FLOOR_SHARE * known), KNOWN_SHARE * known)


def verdict(interval: Interval, tolerance: float) -> Verdict:
    """Return what an interval says of a stream.

    Parameters
    ----------
    interval
        Of the rise of the held-out loss.
    tolerance
        The rise that does not matter, in bits.

    Returns
    -------
    str
        ``"prune"`` if the upper end (of the robust interval, which is the published one where the
        caller has not said what a sample can lose at most) is below the tolerance, and there are at
        least 236 samples or the caller has said it; ``"keep"`` if the lower end is above it; else
        ``"cannot tell"``.

    Notes
    -----
    Simulated (``docs/bounds.rst``) for a rise of 1.2 times the tolerance, where "prune" is wrong,
    at 256 samples: at most 2.8 % for ordinary distributions and for those of a real net, 3 to 7 %
    for a log-normal with sigma 2, 19 % with sigma 2.5, and 5 to 6 % where 1.2 % of the samples lose
    5 bits each, of which 256 samples show none in 4.5 % of cases. With ``largest_rise=5`` none of
    these is ever wrong, and more verdicts are "cannot tell".
    """
    is_enough = interval.is_guarded or interval.samples >= FEWEST_TO_PRUNE
    if max(interval.high, interval.robust_high) < tolerance:
        return "prune" if is_enough else "cannot tell"
    if min(interval.low, interval.robust_low) > tolerance:
        return "keep"
    return "cannot tell"


#: More than so many times the samples there are, no number of samples is named.
FAR = 100


def samples_needed(interval: Interval, tolerance: float) -> int | None:
    """Return how many more samples would tell, if the rise stays what it is.

    None if none would, or only more than 100 times as many as there are: the rise is then next to
    the tolerance.

    The part of the half width that comes from spread shrinks with the square root of the number of
    samples, what the robust end adds to it with the number.

    Examples
    --------
    >>> import numpy as np
    >>> from infoflow.pruning.ablation.pairs import Paired
    >>> from infoflow.pruning.ablation.intervals import bits_interval
    >>> rises = np.random.default_rng(0).normal(0.0, 0.05, 100)
    >>> samples_needed(bits_interval(Paired(rises, np.ones(100))), 0.05)
    136
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
    fewest = FEWEST_TO_PRUNE if is_prune and not interval.is_guarded else 0
    needed = max(interval.samples / _shrinkage(gap, spread, extra) ** 2, fewest)
    is_far = needed > FAR * interval.samples
    return None if is_far else max(math.ceil(needed) - interval.samples, 1)


def _shrinkage(gap: float, spread: float, extra: float) -> float:
    """Solve gap = spread · s + extra · s² for s, the root of samples now over samples needed."""
    if extra <= 0:
        return min(gap / spread, 1.0) if spread > 0 else 1.0
    return min((math.sqrt(spread**2 + 4 * extra * gap) - spread) / (2 * extra), 1.0)
