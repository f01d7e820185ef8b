"""From sums of kernels to information, with replicates for the jackknife; all in nats."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.classes import label_entropy
from infoflow.estimators.kernel import Sums, Totals
from infoflow.estimators.rows import Rows, counts_without_groups

#: Nats that are no more than rounding of the sums.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Information:
    """A value, what it is without each group of samples, and its slope by log noise variance."""

    value: float
    replicates: Tensor
    slope: float

    def __sub__(self, other: Information) -> Information:
        return Information(
            self.value - other.value,
            self.replicates - other.replicates,
            self.slope - other.slope,
        )

    def __add__(self, other: Information) -> Information:
        return Information(
            self.value + other.value,
            self.replicates + other.replicates,
            self.slope + other.slope,
        )


def about_samples(sums: Sums) -> Information:
    """Return log N − mean_i log Σ_j k_ij."""
    rows = sums.rows
    logs = _log_without_groups(sums.total, sums.total_by_group, rows)
    replicates = rows.samples_left.log() - rows.means_without_groups(logs)
    slope = -rows.mean(sums.total_slope / sums.total)
    return Information(value_about_samples(sums), replicates, float(slope))


def value_about_samples(totals: Totals) -> float:
    """Return the value of :func:`about_samples` alone."""
    return float(totals.rows.mean(surprise_of_samples(totals)).clamp(min=0.0))


def surprise_of_samples(totals: Totals) -> Tensor:
    """Return (n,) logarithms of p(x | m) / p(x), exactly 0 for a constant layer."""
    return (totals.rows.samples / totals.total).log()


def about_classes(sums: Sums, classes: Tensor) -> Information:
    """Return H(Y) − mean_i log(Σ_j k_ij / Σ_{j in the class of i} k_ij).

    It equals the information about the samples less its mean within the classes.

    Parameters
    ----------
    sums
        Of some rows, or of all.
    classes
        (N,) int64 classes of all samples, numbered from 0.
    """
    rows = sums.rows
    replicates = rows.means_without_groups(_surprise_without_groups(sums, classes))
    slope = -rows.mean(sums.total_slope / sums.total - sums.within_slope / sums.within)
    return Information(value_about_classes(sums, classes), replicates, float(slope))


def value_about_classes(totals: Totals, classes: Tensor) -> float:
    """Return the value of :func:`about_classes` alone."""
    return float(totals.rows.mean(surprise_of_classes(totals, classes)))


def shared_about_classes(one: Sums, other: Sums, both: Sums, classes: Tensor) -> Information:
    """Return what two sides both know of the classes, from their sums and those of both together.

    For each sample, i = log p(y | m) / p(y) says how much one side, the other, or both change the
    surprise of its class. The change in common, i_one + i_other − i_both, counts where all have one
    sign. R. A. A. Ince, "Measuring Multivariate Redundant Information with Pointwise Common Change
    in Surprisal", Entropy 19(7), 318 (2017), with the samples' own joint distribution.
    """
    whole = [surprise_of_classes(sums, classes) for sums in (one, other, both)]
    without = [_surprise_without_groups(sums, classes) for sums in (one, other, both)]
    value = float(one.rows.mean(_common_change(*whole)))
    return Information(value, one.rows.means_without_groups(_common_change(*without)), 0.0)


def _common_change(one: Tensor, other: Tensor, both: Tensor) -> Tensor:
    change = one + other - both
    signs = torch.stack([one, other, both, change]).sign()
    return torch.where((signs == signs[0]).all(0), change, 0.0)


def surprise_of_classes(sums: Totals, classes: Tensor) -> Tensor:
    """Return (n,) logarithms of p(y | m) / p(y), exactly 0 for a constant layer."""
    shares = classes.bincount()[classes[sums.rows.numbers]].to(torch.float64) / len(classes)
    return (sums.within / sums.total / shares).log()


def _surprise_without_groups(sums: Sums, classes: Tensor) -> Tensor:
    """Return (n, groups) logarithms without each group; zero for the samples in it."""
    rows = sums.rows
    left = counts_without_groups(classes, rows.groups)
    shares = (left / left.sum(0))[classes[rows.numbers]]
    ratio = _log_without_groups(sums.within, sums.within_by_group, rows) - _log_without_groups(
        sums.total, sums.total_by_group, rows
    )
    return torch.where(rows.is_inside, 0.0, ratio - shares.log())


def about_shuffled_classes(sums: Sums, classes: Tensor) -> Tensor:
    """Return (permutations,) values of :func:`about_classes` for the shuffled classes."""
    entropy = label_entropy(classes)
    ratio = (sums.shuffled / sums.total).log()
    if sums.shuffled_rows is None:
        found = entropy + ratio.mean(1)
    else:
        found = sums.shuffled_rows.means(ratio)
    # of a constant layer, rounding is all that is left, on either side of 0
    return torch.where(found.abs() > _ROUNDING, found, 0.0)


def _log_without_groups(sums: Tensor, by_group: Tensor, rows: Rows) -> Tensor:
    """Return (n, groups) logarithms; of a sample in the group itself, an unused zero."""
    return torch.where(rows.is_inside, 1.0, sums[:, None] - by_group).log()
