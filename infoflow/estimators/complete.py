"""An estimate with the doubt that its estimator leaves out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from infoflow.estimators.jackknife import deal_groups, jackknife_interval
from infoflow.estimators.null import null_of, shuffled
from infoflow.interface import Distances, Draws, Estimate, Estimator

#: Estimators of others may be slow: fewer groups and shuffles than for our own.
_GROUPS = 10
_PERMUTATIONS = 20


def complete_estimate(estimator: Estimator, statistic: Tensor, labels: Tensor | None) -> Estimate:
    """Return an estimator's estimate in nats; interval and null are added where it has none.

    The estimate is made again without each of 10 groups of samples, and for 20 shuffles of the
    classes. Statistics of random draws are left as they are.

    Parameters
    ----------
    estimator, statistic, labels
        As for :meth:`infoflow.Estimator.estimate`.
    """
    estimate = estimator.estimate(statistic, labels)
    if isinstance(estimator.statistic, Draws):
        return estimate
    lacks_interval = math.isnan(estimate.ixm_ci_low) and math.isnan(estimate.iym_ci_low)
    if lacks_interval and len(statistic) >= 2 * _GROUPS:
        estimate = _with_intervals(estimator, statistic, labels, estimate)
    wants_null = getattr(estimator, "permutations", _PERMUTATIONS) > 0
    lacks_null = math.isnan(estimate.iym_null) and not math.isnan(estimate.iym)
    if labels is not None and wants_null and lacks_null:
        orders = shuffled(labels, _PERMUTATIONS)
        values = [estimator.estimate(statistic, order).iym for order in orders]
        null = null_of(torch.tensor(values, dtype=torch.float64))
        estimate = replace(estimate, iym_null=null.mean, iym_null_high=null.high)
    return estimate


def _with_intervals(
    estimator: Estimator, statistic: Tensor, labels: Tensor | None, estimate: Estimate
) -> Estimate:
    groups = deal_groups(len(statistic), statistic.device, groups=_GROUPS)
    parts = []
    for group in range(_GROUPS):
        keep = (groups != group).nonzero().squeeze(1)
        of_pairs = isinstance(estimator.statistic, Distances)
        part = statistic[keep][:, keep] if of_pairs else statistic[keep]
        parts.append(estimator.estimate(part, None if labels is None else labels[keep]))
    ixm = _interval(lambda part: part.ixm, estimate, parts)
    iym = _interval(lambda part: part.iym, estimate, parts)
    return replace(
        estimate, ixm_ci_low=ixm[0], ixm_ci_high=ixm[1], iym_ci_low=iym[0], iym_ci_high=iym[1]
    )


def _interval(
    quantity: Callable[[Estimate], float], estimate: Estimate, parts: list[Estimate]
) -> tuple[float, float]:
    replicates = torch.tensor([quantity(part) for part in parts], dtype=torch.float64)
    value = quantity(estimate)
    if math.isnan(value) or not bool(replicates.isfinite().all()):
        return math.nan, math.nan
    ends = jackknife_interval(value, replicates, 0.0, estimate.ixm_ceiling)
    return ends.low, ends.high
