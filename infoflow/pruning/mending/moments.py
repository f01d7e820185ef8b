"""Sums of products of features and targets, added up batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from infoflow.estimators.distances import add_upper_products, mirror_upper


@dataclass(frozen=True)
class Moments:
    """Means and centred sums of products of features and targets, in float64.

    Grouped layers solve one regression per group; dense layers have one group.

    Parameters
    ----------
    count
        Number of rows that went in.
    feature_mean
        (groups, unknowns).
    target_mean
        (groups, outputs).
    gram
        Sums of products of centred features, (groups, unknowns, unknowns).
    cross
        Sums of products of centred features and centred targets, (groups, unknowns, outputs).
    target_squares
        Sums of squares of centred targets, (groups, outputs).
    """

    count: int
    feature_mean: Tensor
    target_mean: Tensor
    gram: Tensor
    cross: Tensor
    target_squares: Tensor


class Sums:
    """Adds up rows, chunk by chunk and in place.

    The sums are about the mean of the first chunk, so that little cancels where they are moved to
    the mean of all rows.

    Examples
    --------
    >>> import torch
    >>> sums = Sums()
    >>> sums.add(torch.tensor([[[0.0]]]), torch.tensor([[[1.0]]]))
    >>> sums.add(torch.tensor([[[2.0]]]), torch.tensor([[[5.0]]]))
    >>> found = sums.moments()
    >>> found.gram.item(), found.cross.item()
    (2.0, 4.0)
    """

    def __init__(self) -> None:
        self._sums: Moments | None = None
        self._shift: tuple[Tensor, Tensor] | None = None

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Add rows.

        Parameters
        ----------
        features
            (groups, rows, unknowns).
        targets
            (groups, rows, outputs).
        """
        if not features.shape[1]:
            return
        features = features.to(torch.float64, copy=True)
        targets = targets.to(torch.float64, copy=True)
        if self._shift is None:
            self._shift = features.mean(1, keepdim=True), targets.mean(1, keepdim=True)
        for rows, shift in zip((features, targets), self._shift, strict=True):
            rows.sub_(shift)
        sums = _zeros_like(features, targets) if self._sums is None else self._sums
        sums.feature_mean.add_(features.sum(1))
        sums.target_mean.add_(targets.sum(1))
        sums.target_squares.add_(targets.square().sum(1))
        sums.cross.baddbmm_(features.mT, targets)
        if len(features) == 1:
            add_upper_products(sums.gram[0], features[0].T)
        else:
            sums.gram.baddbmm_(features.mT, features)
        self._sums = replace(sums, count=sums.count + features.shape[1])

    def moments(self) -> Moments:
        """Return the moments of all rows about their mean; nothing can be added afterwards."""
        sums, self._sums = self._sums, None
        if sums is None or self._shift is None:
            raise ValueError("there are no rows to add up")
        if len(sums.gram) == 1:
            mirror_upper(sums.gram[0])
        features, targets = sums.feature_mean / sums.count, sums.target_mean / sums.count
        weighted = -sums.count * features.unsqueeze(2)
        sums.gram.baddbmm_(weighted, features.unsqueeze(1))
        sums.cross.baddbmm_(weighted, targets.unsqueeze(1))
        sums.target_squares.sub_(sums.count * targets.square()).clamp_(min=0)
        return replace(
            sums,
            feature_mean=features + self._shift[0].squeeze(1),
            target_mean=targets + self._shift[1].squeeze(1),
        )


def _zeros_like(features: Tensor, targets: Tensor) -> Moments:
    groups, _, unknowns = features.shape
    outputs = targets.shape[2]
    return Moments(
        0,
        features.new_zeros(groups, unknowns),
        features.new_zeros(groups, outputs),
        features.new_zeros(groups, unknowns, unknowns),
        features.new_zeros(groups, unknowns, outputs),
        features.new_zeros(groups, outputs),
    )


def about_zero(found: Moments) -> Moments:
    """Return the moments about zero instead of the mean, for layers without an intercept."""
    features, targets = found.feature_mean, found.target_mean
    outer = found.count * features.unsqueeze(2)
    return Moments(
        found.count,
        torch.zeros_like(features),
        torch.zeros_like(targets),
        found.gram + outer @ features.unsqueeze(1),
        found.cross + outer @ targets.unsqueeze(1),
        found.target_squares + found.count * targets.square(),
    )
