"""Rows that several fits share, each of which standardises them for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Features up to which their products are kept.
MOST_FACTORED = 2048
#: Values that are standardised at a time.
_NEAR = 2**20


@dataclass(frozen=True, eq=False)
class Matrix:
    """Rows that problems share, and how each standardises them.

    Parameters
    ----------
    rows
        (N, d), float32 or float64.
    labels
        (N,) numbers from 0 to ``count`` − 1.
    count
        Number of classes, at least 2.
    factor, shift
        (problems, d) float64; a problem reads ``rows * factor + shift``.
    width
        The square of what the standardised rows are divided by for the penalty.
    """

    rows: Tensor
    labels: Tensor
    count: int
    factor: Tensor
    shift: Tensor
    width: float

    def scaled(self, problem: int, rows: Tensor) -> Tensor:
        """Return rows as a problem standardises them."""
        factor, shift = self.factor[problem].to(rows.dtype), self.shift[problem].to(rows.dtype)
        return torch.addcmul(shift, rows, factor)

    def among(self, problems: Tensor | list[int]) -> Matrix:
        """Return the matrix for some of the problems."""
        factor, shift = self.factor[problems], self.shift[problems]
        return Matrix(self.rows, self.labels, self.count, factor, shift, self.width)

    def at(self, members: Tensor) -> Matrix:
        """Return the matrix of some of the rows."""
        rows, labels = self.rows.index_select(0, members), self.labels[members]
        return Matrix(rows, labels, self.count, self.factor, self.shift, self.width)

    def grams(self, members: Sequence[Tensor]) -> Tensor | None:
        """Return the mean products of some standardised rows of each problem, (problems, d, d).

        None where there are too many features for it.
        """
        if self.rows.shape[1] > MOST_FACTORED:
            return None
        return torch.stack([self._gram(problem, some) for problem, some in enumerate(members)])

    def _gram(self, problem: int, members: Tensor) -> Tensor:
        width = self.rows.shape[1]
        found = torch.zeros(width, width, dtype=torch.float64, device=self.rows.device)
        for some in members.split(max(1, _NEAR // max(1, width))):
            rows = self.scaled(problem, self.rows.index_select(0, some))
            found += rows.T @ rows
        return found / len(members)

    def products(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Return weighted sums of products of standardised rows and a constant of 1, which is last.

        In float64, so that they have no negative eigenvalues.

        Parameters
        ----------
        rows
            (n, d), as they are in the matrix.
        weights
            (problems, n) float64.

        Returns
        -------
        Tensor
            Shape (problems, d + 1, d + 1).
        """
        rows = torch.nn.functional.pad(rows.to(torch.float64), (0, 1), value=1.0)
        found = torch.stack([(rows * one[:, None]).T @ rows for one in weights])
        factor = torch.nn.functional.pad(self.factor, (0, 1), value=1.0)
        found = found * factor[:, :, None] * factor[:, None]
        # what is added to the rows adds multiples of the constant's products
        shift, last = torch.nn.functional.pad(self.shift, (0, 1)), found[:, -1]
        found = found + shift[:, :, None] * last[:, None] + last[:, :, None] * shift[:, None]
        return found + shift[:, :, None] * shift[:, None] * last[:, -1, None, None]
