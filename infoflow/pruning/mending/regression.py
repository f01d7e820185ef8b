"""Ridge regression from sums of products that are added up batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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


def moments(features: Tensor, targets: Tensor) -> Moments:
    """Return the moments of rows.

    Parameters
    ----------
    features
        (groups, rows, unknowns).
    targets
        (groups, rows, outputs).

    Examples
    --------
    >>> import torch
    >>> found = moments(torch.tensor([[[0.0], [2.0]]]), torch.tensor([[[1.0], [5.0]]]))
    >>> found.gram.item(), found.cross.item()
    (2.0, 4.0)
    """
    features, targets = features.double(), targets.double()
    feature_mean, target_mean = features.mean(1), targets.mean(1)
    features = features - feature_mean.unsqueeze(1)
    targets = targets - target_mean.unsqueeze(1)
    transposed = features.transpose(1, 2)
    return Moments(
        features.shape[1],
        feature_mean,
        target_mean,
        transposed @ features,
        transposed @ targets,
        targets.square().sum(1),
    )


def add(one: Moments | None, other: Moments) -> Moments:
    """Return the moments of the rows of both, about their common mean (Chan et al. 1979)."""
    if one is None:
        return other
    count = one.count + other.count
    weight = one.count * other.count / count
    features = other.feature_mean - one.feature_mean
    targets = other.target_mean - one.target_mean
    outer = weight * features.unsqueeze(2)
    return Moments(
        count,
        one.feature_mean + features * (other.count / count),
        one.target_mean + targets * (other.count / count),
        one.gram + other.gram + outer @ features.unsqueeze(1),
        one.cross + other.cross + outer @ targets.unsqueeze(1),
        one.target_squares + other.target_squares + weight * targets.square(),
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


@dataclass(frozen=True)
class Fit:
    """A linear map: targets ≈ features @ weight + intercept.

    Parameters
    ----------
    weight
        (groups, unknowns, outputs).
    intercept
        (groups, outputs).
    """

    weight: Tensor
    intercept: Tensor


def solve(found: Moments, ridge: float, start: Tensor) -> Fit:
    """Return the ridge regression that is shrunk towards weights that are there.

    It minimises, in each group, the sum of squared errors plus ``ridge`` times the mean diagonal
    of the Gram matrix times the squared distance to ``start``. The mean diagonal is the sum of
    squares of a centred feature, averaged over the features: ``ridge`` is therefore a share of
    the mean variance of a feature, whatever their scale and the number of rows.

    Parameters
    ----------
    found
        Moments about the mean; with those of :func:`about_zero` the intercept is 0.
    ridge
        Strength, 0 or more.
    start
        Weights to shrink towards, (groups, unknowns, outputs); zeros for a plain ridge regression.

    Returns
    -------
    Fit
        Where features do not vary at all, ``start`` with the intercept that fits the means.

    Examples
    --------
    >>> import torch
    >>> features = torch.tensor([[[0.0], [1.0], [2.0]]])
    >>> found = moments(features, 3 * features + 1)
    >>> fit = solve(found, 0.0, torch.zeros(1, 1, 1))
    >>> round(fit.weight.item(), 6), round(fit.intercept.item(), 6)
    (3.0, 1.0)
    """
    start = start.to(found.gram)
    diagonal = found.gram.diagonal(dim1=1, dim2=2)
    penalty = ridge * diagonal.mean(1)
    matrix = found.gram + torch.diag_embed(penalty.unsqueeze(1).expand_as(diagonal))
    change = _solved(matrix, found.cross - found.gram @ start)
    weight = start + change
    intercept = found.target_mean - (found.feature_mean.unsqueeze(1) @ weight).squeeze(1)
    return Fit(weight, intercept)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve symmetric systems, by their pseudoinverse where they are singular."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    found = torch.cholesky_solve(right, factor)
    for group in failed.nonzero().flatten().tolist():
        found[group] = torch.linalg.pinv(matrix[group], hermitian=True) @ right[group]
    return found


def residual_share(found: Moments, fit: Fit) -> Tensor:
    """Return the share of each target's variance that a fit leaves, (groups, outputs).

    Targets that do not vary have a share of 0.
    """
    explained = (fit.weight * (2 * found.cross - found.gram @ fit.weight)).sum(1)
    left = (found.target_squares - explained).clamp(min=0)
    share = left / found.target_squares
    return torch.where(found.target_squares > 0, share, torch.zeros_like(share))
