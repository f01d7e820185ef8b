"""Coordinates in which weights are fitted: the curvature is about 1 there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """For each problem L of L Lᵀ, the curvature by the weights of a class.

    Parameters
    ----------
    factor
        (problems, d, d) lower triangular; or (problems, 1, 1), where it is alike in all directions.

    Examples
    --------
    >>> turn = Preconditioner(torch.tensor([[[2.0, 0.0], [1.0, 3.0]]]))
    >>> weights = torch.tensor([[[1.0, -1.0]]])
    >>> turn.turned(weights), turn.weights(turn.turned(weights))
    (tensor([[[ 1., -3.]]]), tensor([[[ 1., -1.]]]))
    """

    factor: Tensor

    def among(self, problems: Tensor) -> Preconditioner:
        """Return that of some of the problems, in ascending order."""
        if len(problems) == len(self.factor):
            return self
        return Preconditioner(self.factor[problems])

    def turned(self, weights: Tensor) -> Tensor:
        """Return (problems, classes, d) weights in these coordinates."""
        return weights * self.factor if self._is_scalar else weights @ self.factor

    def weights(self, turned: Tensor) -> Tensor:
        """Return the weights that are these in these coordinates."""
        if self._is_scalar:
            return turned / self.factor
        found: Tensor = torch.linalg.solve_triangular(self.factor, turned, upper=False, left=False)
        return found

    def slope(self, slope: Tensor) -> Tensor:
        """Return the derivative in these coordinates from that by the weights."""
        if self._is_scalar:
            return slope / self.factor
        turned: Tensor = torch.linalg.solve_triangular(self.factor, slope.mT, upper=False)
        return turned.mT

    @property
    def _is_scalar(self) -> bool:
        return self.factor.shape[-1] == 1
