"""From sums of kernels to information, with replicates for the jackknife; all in nats."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from infoflow.estimators.jackknife import deal_groups
from infoflow.estimators.kernel import Sums, Totals

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
    membership = _membership(len(sums.total), sums.total.device)
    left = (len(sums.total) - membership.sum(0)).log()
    replicates = left - _mean_of_others(_log_without_groups(sums.total, sums.total_by_group))
    slope = -(sums.total_slope / sums.total).mean()
    return Information(value_about_samples(sums), replicates, float(slope))


def value_about_samples(totals: Totals) -> float:
    """Return the value of :func:`about_samples` alone."""
    return float((len(totals.total) / totals.total).log().mean().clamp(min=0.0))


def about_classes(sums: Sums, classes: Tensor) -> Information:
    """Return H(Y) − mean_i log(Σ_j k_ij / Σ_{j in the class of i} k_ij).

    It equals the information about the samples less its mean within the classes.
    """
    _, entropies = _entropies(classes)
    ratio = _log_without_groups(sums.total, sums.total_by_group) - _log_without_groups(
        sums.within, sums.within_by_group
    )
    slope = -(sums.total_slope / sums.total - sums.within_slope / sums.within).mean()
    value = value_about_classes(sums, classes)
    return Information(value, entropies - _mean_of_others(ratio), float(slope))


def value_about_classes(totals: Totals, classes: Tensor) -> float:
    """Return the value of :func:`about_classes` alone."""
    return float(_surprise(totals, classes).mean())


def shared_about_classes(one: Sums, other: Sums, both: Sums, classes: Tensor) -> Information:
    """Return what two sides both know of the classes, from their sums and those of both together.

    For each sample, i = log p(y | m) / p(y) says how much one side, the other, or both change the
    surprise of its class. The change in common, i_one + i_other − i_both, counts where all have one
    sign. R. A. A. Ince, "Measuring Multivariate Redundant Information with Pointwise Common Change
    in Surprisal", Entropy 19(7), 318 (2017), with the samples' own joint distribution.
    """
    whole = [_surprise(sums, classes) for sums in (one, other, both)]
    without = [_surprise_without_groups(sums, classes) for sums in (one, other, both)]
    value = float(_common_change(*whole).mean())
    return Information(value, _mean_of_others(_common_change(*without)), 0.0)


def _common_change(one: Tensor, other: Tensor, both: Tensor) -> Tensor:
    change = one + other - both
    signs = torch.stack([one, other, both, change]).sign()
    return torch.where((signs == signs[0]).all(0), change, 0.0)


def _surprise(sums: Totals, classes: Tensor) -> Tensor:
    """Return (N,) logarithms of p(y | m) / p(y), exactly 0 for a constant layer."""
    shares = classes.bincount()[classes].to(torch.float64) / len(classes)
    return (sums.within / sums.total / shares).log()


def _surprise_without_groups(sums: Sums, classes: Tensor) -> Tensor:
    """Return (N, groups) logarithms without each group; zero for the samples in it."""
    membership = _membership(len(classes), classes.device)
    indicators = F.one_hot(classes).to(torch.float64)
    left = indicators.sum(0) - membership.T @ indicators
    shares = (left / left.sum(1, keepdim=True)).T[classes]
    ratio = _log_without_groups(sums.within, sums.within_by_group) - _log_without_groups(
        sums.total, sums.total_by_group
    )
    return torch.where(membership > 0, 0.0, ratio - shares.log())


def about_shuffled_classes(sums: Sums, classes: Tensor) -> Tensor:
    """Return (permutations,) values of :func:`about_classes` for the shuffled classes."""
    entropy, _ = _entropies(classes)
    found: Tensor = entropy - (sums.total / sums.shuffled).log().mean(1)
    # of a constant layer, rounding is all that is left, on either side of 0
    return torch.where(found.abs() > _ROUNDING, found, 0.0)


def _membership(samples: int, device: torch.device) -> Tensor:
    return F.one_hot(deal_groups(samples, device)).to(torch.float64)


def _log_without_groups(sums: Tensor, by_group: Tensor) -> Tensor:
    """Return (N, groups) logarithms; of a sample in the group itself, an unused zero."""
    is_inside = _membership(len(sums), sums.device) > 0
    return torch.where(is_inside, 1.0, sums[:, None] - by_group).log()


def _mean_of_others(values: Tensor) -> Tensor:
    """Return (groups,) means of (N, groups) values that are zero inside the group."""
    left = len(values) - _membership(len(values), values.device).sum(0)
    mean: Tensor = values.sum(0) / left
    return mean


def _entropies(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return H(Y), and H(Y) without each group: (groups,)."""
    indicators = F.one_hot(classes).to(torch.float64)
    counts = indicators.sum(0)
    left = counts - _membership(len(classes), classes.device).T @ indicators
    return _entropy(counts), _entropy(left)


def _entropy(counts: Tensor) -> Tensor:
    shares = counts / counts.sum(-1, keepdim=True)
    entropy: Tensor = -torch.xlogy(shares, shares).sum(-1)
    return entropy
