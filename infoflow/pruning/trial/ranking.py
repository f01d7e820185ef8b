"""How well a reading ranks streams by the damage that their removal does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Ranking:
    """Spearman's rank correlation between a reading and measured damage.

    Parameters
    ----------
    reading, measure
        What foretold, and what was measured: ``"cut"``, ``"tuned"`` or ``"redesign"``.
    correlation
        1 where the reading has the order of the damage, −1 where it has the opposite one; NaN
        where one of both is the same for all streams, or for fewer than three streams.
    ci_low, ci_high
        95 % confidence interval; NaN for fewer than four streams.
    streams
        Number of streams that have both numbers.

    References
    ----------
    D. G. Bonett and T. A. Wright, "Sample size requirements for estimating Pearson, Kendall and
    Spearman correlations", Psychometrika 65, 23-28 (2000): Fisher's z with the standard error
    sqrt((1 + r² / 2) / (n − 3)).
    """

    reading: str
    measure: str
    correlation: float
    ci_low: float
    ci_high: float
    streams: int


def rank(
    reading: str, numbers: Mapping[str, float], measure: str, damage: Mapping[str, float]
) -> Ranking:
    """Return how a reading's order agrees with that of the damage."""
    both = [name for name in numbers if name in damage and math.isfinite(damage[name])]
    foretold, measured = [numbers[n] for n in both], [damage[n] for n in both]
    nothing = math.nan
    if len(both) < 3 or len(set(foretold)) == 1 or len(set(measured)) == 1:
        return Ranking(reading, measure, nothing, nothing, nothing, len(both))
    correlation = float(stats.spearmanr(foretold, measured).statistic)
    low, high = interval(correlation, len(both))
    return Ranking(reading, measure, correlation, low, high, len(both))


def interval(correlation: float, count: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a rank correlation of ``count`` pairs.

    A perfect correlation has no finite z; it is taken for one of 1 − 1/(2·count), so that few
    streams in the right order do not look certain.
    """
    if count < 4:
        return math.nan, math.nan
    most = 1 - 1 / (2 * count)
    z = math.atanh(min(max(correlation, -most), most))
    width = stats.norm.ppf(0.975) * math.sqrt((1 + correlation**2 / 2) / (count - 3))
    low, high = math.tanh(z - width), math.tanh(z + width)
    return min(low, correlation), max(high, correlation)
