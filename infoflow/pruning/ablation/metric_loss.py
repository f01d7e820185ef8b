"""How much of the user's metric a net loses, over all and in each class, and what it forbids."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Tensor

from infoflow.pruning.ablation.metrics import Metric


@dataclass(frozen=True)
class GroupLoss:
    """How much of the metric a class or subgroup loses, with its interval.

    ``low`` and ``high`` are NaN for fewer than two samples.
    """

    name: str
    samples: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MetricLoss:
    """How much of a metric is lost: positive is worse, whichever way the metric points.

    Parameters
    ----------
    whole, other
        The metric of the whole net and of the other, means over samples.
    value
        What is lost, in units of the metric.
    low, high
        Ends of its 95 % interval (Student's t, paired by sample); NaN for a metric of the net.
    groups
        The same for each class or subgroup. Their intervals hold together at 95 % (Bonferroni).
    """

    whole: float
    other: float
    value: float
    low: float
    high: float
    groups: tuple[GroupLoss, ...] = ()

    @property
    def worst(self) -> GroupLoss | None:
        """The group that loses most, None where there are no groups."""
        return max(self.groups, key=lambda group: group.value, default=None)


def metric_loss(
    metric: Metric,
    whole: ArrayLike | Tensor,
    other: ArrayLike | Tensor,
    *,
    groups: ArrayLike | Tensor | None = None,
    level: float = 0.95,
) -> MetricLoss:
    """Return what is lost between two nets on the same samples.

    Parameters
    ----------
    metric
        What was measured.
    whole, other
        (N,) numbers from :meth:`Metric.per_sample`, or one number from :meth:`Metric.of_net`.
    groups
        (N,) class or subgroup of each sample.
    level
        Of the intervals.

    Examples
    --------
    >>> metric = Metric("hits", "sample", lambda output, target: output)
    >>> lost = metric_loss(metric, [1, 1, 1, 1.0], [1, 0, 1, 1.0], groups=[0, 1, 0, 1])
    >>> lost.value, lost.worst.name, lost.worst.value
    (0.25, '1', 0.5)
    """
    before, after = _numbers(whole), _numbers(other)
    lost = (after - before) if metric.lower_is_better else (before - after)
    if metric.of == "net":
        return MetricLoss(float(before), float(after), float(lost), math.nan, math.nan)
    is_known = ~np.isnan(lost)
    value, low, high = _interval(lost[is_known], level)
    found: list[GroupLoss] = []
    if groups is not None:
        named = _numbers(groups)
        names = np.unique(named[is_known])
        shared = 1 - (1 - level) / max(len(names), 1)
        for name in names:
            rows = lost[is_known & (named == name)]
            found.append(GroupLoss(f"{name:g}", len(rows), *_interval(rows, shared)))
    return MetricLoss(
        float(np.nanmean(before)), float(np.nanmean(after)), value, low, high, tuple(found)
    )


@dataclass(frozen=True)
class Objection:
    """What a metric says against a stream's going, and whether damage is shown."""

    reason: str
    is_shown: bool


def objection(lost: MetricLoss, tolerance: float, *, needs_proof: bool) -> Objection | None:
    """Return why a stream should not go, whatever its bits say; None where nothing forbids it.

    Parameters
    ----------
    lost
        What is lost of the metric.
    tolerance
        What may be lost; NaN where the metric forbids nothing.
    needs_proof
        Whether the metric must be shown to lose less: its upper end must be below the tolerance.
        Else it is enough that the estimate is.

    Notes
    -----
    Damage is shown where a lower end is above the tolerance, of the whole or of a class or
    subgroup. A metric of the net has no interval, so it shows nothing: its value must be below.
    """
    if lost.low > tolerance:
        return Objection(_more_than(f"at least {lost.low:.3g}", tolerance), is_shown=True)
    for group in lost.groups:
        if group.low > tolerance:
            reason = f"the metric of {group.name} loses at least {group.low:.3g}"
            return Objection(reason, is_shown=True)
    high = lost.value if math.isnan(lost.high) else lost.high
    if lost.value > tolerance:
        return Objection(_more_than(f"about {lost.value:.3g}", tolerance), is_shown=False)
    if needs_proof and high >= tolerance:
        reason = f"the metric may lose {high:.3g}, and must be shown to lose less than"
        return Objection(f"{reason} {tolerance:.3g}", is_shown=False)
    return None


def _more_than(lost: str, tolerance: float) -> str:
    return f"the metric loses {lost}, more than the tolerance of {tolerance:.3g}"


def _numbers(values: ArrayLike | Tensor) -> NDArray[np.float64]:
    given = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return np.asarray(given, dtype=np.float64)


def _interval(values: NDArray[np.float64], level: float) -> tuple[float, float, float]:
    mean = float(values.mean()) if len(values) else math.nan
    if len(values) < 2:
        return mean, math.nan, math.nan
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.ppf(0.5 + level / 2, len(values) - 1)) * error
    return mean, mean - reach, mean + reach
