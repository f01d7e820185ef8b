"""Ridge regression from sums of products that are added up batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.pruning.mending.moments import Moments


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
    >>> from infoflow.pruning.mending.moments import Sums
    >>> features = torch.tensor([[[0.0], [1.0], [2.0]]])
    >>> sums = Sums()
    >>> sums.add(features, 3 * features + 1)
    >>> fit = solve(sums.moments(), 0.0, torch.zeros(1, 1, 1))
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
