"""Bounds on a mean that hold with rare large losses, by betting against it."""

from __future__ import annotations

import math

import numpy as np

from infoflow.pruning.ablation.pairs import Floats, Paired
from infoflow.pruning.ablation.worst_sample import upper_root

#: Shares of the largest bet that a capital is spread over, and how much of it each gets: half of
#: it on nearly everything, which is best where the samples hardly differ.
_BETS = np.append(0.95 * 0.5 ** np.arange(1, 13), 0.95)
_STAKES = np.append(np.full(12, 0.5 / 12), 0.5)


def betting_upper(pairs: Paired, error: float, largest: float) -> float:
    """Return what the weighted mean of rises exceeds with a probability of at most ``error``.

    It holds for any distribution whose rises are at most ``largest`` per unit of weight, at any
    number of samples.

    Parameters
    ----------
    pairs
        Rises and weights.
    error
        The one-sided error, 0.025 for an end of a 95 % interval.
    largest
        The largest rise per unit of weight. A larger one among the samples takes its place.

    Notes
    -----
    For a supposed mean r, a capital of 1 bets on every sample that ``rise − r · weight`` is
    negative. If r is not above the mean, the capital does not grow on average, and by Markov's
    inequality reaches ``1 / error`` with a probability of at most ``error``. The bound is the
    smallest r for which it does. The bets are fixed shares of the largest that cannot ruin, and
    their mean is a capital, too, so the order of the samples does not matter.

    References
    ----------
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, J. R.
    Stat. Soc. B 86, section 4; the mixture over fixed bets is theirs, section 4.4.
    """
    counted = pairs.counted
    rises, weights = counted.rises, counted.weights
    top = largest if pairs.is_ratio else max(largest, float(pairs.rates.max()))

    def excess(supposed: float) -> float:
        found = log_capital(rises, weights, np.array(supposed), np.array(top))
        return float(found) + math.log(error)

    return upper_root(excess, float(rises.sum() / weights.sum()), None if pairs.is_ratio else top)


def log_capital(rises: Floats, weights: Floats, mean: Floats, largest: Floats) -> Floats:
    """Return the logarithm of what betting that the mean is below ``mean`` makes of 1.

    Parameters
    ----------
    rises, weights
        (..., N) of each sample.
    mean, largest
        (...) the supposed mean, and the largest rise, per unit of weight; the mean is below it.
    """
    given = rises - mean[..., None] * weights
    reach = np.maximum((largest - mean) * weights.max(axis=-1), given.max(axis=-1))
    reach = np.maximum(reach, 1e-9 * weights.max(axis=-1))  # no sample speaks for this mean
    outcomes = given / reach[..., None]
    logs = [np.log1p(-bet * outcomes).sum(axis=-1) for bet in _BETS]
    stakes = np.log(_STAKES).reshape(-1, *[1] * mean.ndim)
    found: Floats = np.logaddexp.reduce(np.stack(logs) + stakes, axis=0)
    return found


def betting_lower(pairs: Paired, error: float, largest: float) -> float:
    """Return what the weighted mean of rises falls below with a probability of at most ``error``.

    As :func:`betting_upper`, for gains of at most ``largest`` per unit of weight.
    """
    return -betting_upper(pairs.reversed, error, largest)
