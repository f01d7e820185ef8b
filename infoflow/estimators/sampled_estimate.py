"""From sums of some rows of a kernel to what a large estimate says beside its values, in nats.

- The interval is a jackknife to first order (B. Efron, "The Jackknife, the Bootstrap and Other
  Resampling Plans", SIAM 1982, chapters 3 and 6): each row says how far the value moves without it.
- The null and the other bound are regression estimates, from sums that are known of all samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from infoflow.estimators.classes import NOT_KNOWN, label_entropy, most_about, with_ceilings
from infoflow.estimators.information import (
    value_about_classes,
    value_about_samples,
)
from infoflow.estimators.jackknife import Interval, deal_groups, jackknife_interval
from infoflow.estimators.kernel import Totals
from infoflow.estimators.regression import means_as_of_all, regression_mean
from infoflow.estimators.sampled_kde import Bound, Doubt
from infoflow.estimators.shuffles import Shuffles
from infoflow.estimators.uncertainty import null_of, with_uncertainty
from infoflow.interface import Estimate

#: By how many standard errors the other bound is widened, so that it stays a bound.
_ERRORS = 2.0
#: Nats that are no more than rounding of the sums.
_ROUNDING = 1e-14


def sampled_estimate_of(
    totals: Totals,
    doubt: Doubt,
    labels: Tensor | None,
    shuffles: Shuffles | None,
    *,
    bound: Bound,
    kind: str,
    norms: Tensor | None = None,
) -> Estimate:
    """Return the estimate that sums over all rows and over some rows make.

    Parameters
    ----------
    totals
        For the bound that is the value, of all rows.
    doubt
        Of some rows.
    labels, shuffles
        (N,) int64 classes, numbered from 0, and those in other orders; or None.
    bound
        Which bound the value is.
    kind
        What the number is of.
    norms
        (N,) squared distances from the mean where the noise is relative.
    """
    samples, ixm = len(totals.total), value_about_samples(totals)
    lower, upper = _bounds_about_samples(totals, doubt, bound)
    about_y = NOT_KNOWN
    if labels is not None:
        about_y = _about_classes(totals, doubt, labels, (lower, upper), bound)
    estimate = with_ceilings((ixm, lower, upper), about_y, samples, labels, kind)
    moved = _moved(totals.total, doubt.pull, doubt.slope, doubt, norms)
    about_x = _interval(ixm, -moved, doubt, samples, estimate.ixm_ceiling)
    if labels is None or shuffles is None:
        return with_uncertainty(estimate, about_x)
    shares = (labels.bincount()[labels[doubt.numbers]] / samples).to(torch.float64)
    within = _moved(totals.within, doubt.pull_within, doubt.slope_within, doubt, norms)
    iym = value_about_classes(totals, labels)
    interval = _interval(iym, within - moved - shares.log(), doubt, samples, most_about(labels))
    about_shuffled = _about_shuffled(totals, doubt, labels, shuffles)
    null = null_of(about_shuffled.clamp(max=most_about(labels)))
    return with_uncertainty(estimate, about_x, interval, null)


def _bounds_about_samples(totals: Totals, doubt: Doubt, bound: Bound) -> tuple[float, float]:
    """Return the lower and the upper bound on the information about the samples."""
    value = value_about_samples(totals)
    mean, error = regression_mean(doubt.other_total.log(), totals.total.log(), doubt.numbers)
    other = math.log(len(totals.total)) - mean
    if bound == "upper":
        return min(max(0.0, other - _ERRORS * error), value), value
    return value, max(value, other + _ERRORS * error)


def _about_classes(
    totals: Totals, doubt: Doubt, labels: Tensor, about_x: tuple[float, float], bound: Bound
) -> tuple[float, float, float]:
    """Return I(Y;M) with its bounds: the worst case of both terms, within 0 and H(Y)."""
    entropy = label_entropy(labels)
    sizes = labels.bincount()[labels].to(torch.float64).log().mean()
    inside = float(sizes - totals.within.log().mean())
    mean, error = regression_mean(doubt.other_within.log(), totals.within.log(), doubt.numbers)
    other = float(sizes) - mean
    if bound == "upper":
        low, high = min(other - _ERRORS * error, inside), inside
    else:
        low, high = inside, max(other + _ERRORS * error, inside)
    least, most = max(0.0, about_x[0] - high), min(entropy, about_x[1] - low)
    return min(value_about_classes(totals, labels), entropy), least, most


def _moved(
    sums: Tensor, pulls: Tensor, slopes: Tensor, doubt: Doubt, norms: Tensor | None
) -> Tensor:
    """Return (n,) how far each sample moves the mean logarithm of the sums, but for a constant.

    By the sum of its own row, by what it adds to the sums of the others, and by what it does to the
    scale that the noise follows.
    """
    own = sums[doubt.numbers]
    moved = own.log() + pulls
    if norms is None or not float(norms.mean()):
        return moved
    return moved + (slopes / own).mean() * norms[doubt.numbers] / norms.mean()


def _interval(value: float, moved: Tensor, doubt: Doubt, samples: int, most: float) -> Interval:
    """Return the interval of a jackknife by groups, in which drawn samples stand for the others.

    A group's sum over its drawn samples is as spread as that over all of its samples.
    """
    groups = deal_groups(samples, moved.device)
    counts = groups.bincount().to(torch.float64)
    sums = torch.zeros_like(counts).index_add_(0, groups[doubt.numbers], moved - moved.mean())
    scale = (samples / len(moved)) ** 0.5
    replicates = value - scale * sums / (samples - counts)
    return jackknife_interval(value, replicates, 0.0, most)


def _about_shuffled(totals: Totals, doubt: Doubt, labels: Tensor, shuffles: Shuffles) -> Tensor:
    """Return (permutations,) values of I(Y;M) for shuffled classes."""
    if not len(shuffles):
        return doubt.shuffled.new_empty(0)
    ratios = (doubt.shuffled / totals.total[doubt.numbers]).log()
    found = ratios - shuffles.log_shares(doubt.numbers)
    # what a class of the mean size has by chance: a sample's own kernel counts in full
    chance = torch.log1p((math.exp(label_entropy(labels)) - 1) / totals.total)
    mean, _ = regression_mean(found.mean(0), chance, doubt.numbers)
    values = means_as_of_all(found, len(totals.total))
    values = values + (mean - values.mean())
    return torch.where(values.abs() > _ROUNDING, values, 0.0)
