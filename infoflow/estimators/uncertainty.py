"""The uncertainty of an estimate: its confidence interval, and its null for shuffled classes."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from infoflow.estimators.classes import most_about
from infoflow.estimators.jackknife import Interval, deal_groups, jackknife_interval
from infoflow.estimators.statistics import Draws
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    ClassShuffles,
    CountedNull,
    Estimate,
    Estimator,
    InfoflowWarning,
    QuickValues,
    Subsampled,
)
from infoflow.interface.argument_checks import shown

#: Shuffles of the classes.
PERMUTATIONS = 100
_QUANTILE = 0.95
#: Estimators of others may be slow: fewer groups and shuffles than for our own.
FEW_GROUPS = 10
FEW_SHUFFLES = 20


def shuffled(classes: Tensor, permutations: int) -> Tensor:
    """Return classes in ``permutations`` random orders, always the same: (permutations, N)."""
    generator = torch.Generator().manual_seed(0)
    orders = [
        torch.randperm(len(classes), generator=generator, device="cpu") for _ in range(permutations)
    ]
    if not orders:
        return classes.new_empty(0, len(classes))
    return classes[torch.stack(orders).to(classes.device)]


@dataclass(frozen=True)
class Null:
    """Mean and 95 % quantile of what is estimated where there is nothing to know."""

    mean: float = math.nan
    high: float = math.nan


def null_of(values: Tensor) -> Null:
    """Return the null that (permutations,) estimates make; NaN without any."""
    if not len(values):
        return Null()
    return Null(float(values.mean()), float(values.quantile(_QUANTILE)))


def with_uncertainty(
    estimate: Estimate, ixm: Interval, iym: Interval | None = None, null: Null | None = None
) -> Estimate:
    """Return ``estimate`` with the intervals of I(X;M) and I(Y;M), and the null of I(Y;M)."""
    iym, null = iym or Interval(), null or Null()
    return replace(
        estimate,
        ixm_ci_low=ixm.low,
        ixm_ci_high=ixm.high,
        iym_ci_low=iym.low,
        iym_ci_high=iym.high,
        ixm_replicates=ixm.replicates,
        iym_replicates=iym.replicates,
        iym_null=null.mean,
        iym_null_high=null.high,
    )


def complete_estimate(estimator: Estimator, statistic: Any, labels: Tensor | None) -> Estimate:
    """Return an estimator's estimate in nats; interval and null are added where it has none.

    The estimate is made again without each of 10 groups of samples, and for 20 shuffles of the
    classes. Statistics of random draws are left as they are.

    Parameters
    ----------
    estimator, statistic, labels
        As for :meth:`infoflow.Estimator.estimate`.
    """
    estimate = estimator.estimate(statistic, labels)
    if not isinstance(estimate, Estimate):
        raise ArgumentTypeError(
            f"estimate() of estimator {estimator.name!r} must return an infoflow.Estimate, got "
            f"{shown(estimate)}. infoflow.testing.check_estimator tells what else one must do."
        )
    if isinstance(estimator.statistic, Draws):
        return estimate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)  # the estimate itself has said it
        return _completed(estimator, statistic, labels, estimate)


def _completed(
    estimator: Estimator, statistic: Any, labels: Tensor | None, estimate: Estimate
) -> Estimate:
    lacks_interval = math.isnan(estimate.ixm_ci_low) and math.isnan(estimate.iym_ci_low)
    if lacks_interval and estimate.samples >= 2 * FEW_GROUPS:
        estimate = _with_intervals(estimator, statistic, labels, estimate)
    wants_null = not isinstance(estimator, CountedNull) or estimator.permutations > 0
    lacks_null = math.isnan(estimate.iym_null) and not math.isnan(estimate.iym)
    if labels is not None and wants_null and lacks_null:
        orders = shuffled(labels, FEW_SHUFFLES)
        null = null_of(_about_shuffled(estimator, statistic, orders))
        estimate = replace(estimate, iym_null=null.mean, iym_null_high=null.high)
    return estimate


def _about_shuffled(estimator: Estimator, statistic: Any, orders: Tensor) -> Tensor:
    """Return I(Y;M) for each order of the classes, by the estimator's own shorter way if any."""
    if isinstance(estimator, ClassShuffles):
        return estimator.about_shuffled(statistic, orders)
    values = [estimator.estimate(statistic, order).iym for order in orders]
    return torch.tensor(values, dtype=torch.float64, device="cpu")


def _with_intervals(
    estimator: Estimator, statistic: Any, labels: Tensor | None, estimate: Estimate
) -> Estimate:
    kind = estimator.statistic
    if not isinstance(kind, Subsampled):
        return estimate
    device = statistic.device if isinstance(statistic, Tensor) else torch.device("cpu")
    groups = deal_groups(estimate.samples, device, groups=FEW_GROUPS)
    parts = []
    for group in range(FEW_GROUPS):
        keep = (groups != group).nonzero().squeeze(1)
        part = kind.select(statistic, keep)
        try:
            parts.append(values_of(estimator, part, None if labels is None else labels[keep]))
        except ArgumentError:
            return estimate  # settings that want more samples than are left
    about_x, about_y = torch.tensor(parts, dtype=torch.float64, device="cpu").T
    ixm = _interval(estimate.ixm, about_x, estimate.ixm_ceiling)
    most = math.nan if labels is None else most_about(labels)
    iym = _interval(estimate.iym, about_y, most)
    known = Null(estimate.iym_null, estimate.iym_null_high)
    return with_uncertainty(estimate, ixm, iym, known)


def values_of(estimator: Estimator, statistic: Any, labels: Tensor | None) -> tuple[float, float]:
    """Return I(X;M) and I(Y;M) in nats, without interval and null where they can be left out."""
    if isinstance(estimator, QuickValues):
        return estimator.values(statistic, labels)
    estimate = estimator.estimate(statistic, labels)
    return estimate.ixm, estimate.iym


def _interval(value: float, replicates: Tensor, most: float) -> Interval:
    if math.isnan(value) or not bool(replicates.isfinite().all()):
        return Interval()
    return jackknife_interval(value, replicates, 0.0, most)
