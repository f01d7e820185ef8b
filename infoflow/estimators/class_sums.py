"""Sums of rows of a kernel over all samples, and over the samples of each row's class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Up to so many classes, sums within classes come from a product with their indicators.
_FEW_CLASSES = 32


class Classed:
    """Sums over all samples, and over those of each row's class.

    Parameters
    ----------
    classes
        (N,) int64 classes, numbered from 0.
    weights
        (N,) float64 what each sample counts in the sums over all, and in those over its class; 1
        where None.

    Examples
    --------
    >>> total, within = Classed(torch.tensor([0, 1, 1])).totals(torch.ones(3, 3).double(), slice(3))
    >>> total.tolist(), within.tolist()
    ([3.0, 3.0, 3.0], [1.0, 2.0, 2.0])
    """

    def __init__(self, classes: Tensor, weights: tuple[Tensor, Tensor] | None = None) -> None:
        self._classes, self._weights = classes, weights
        self._columns: Tensor | None = None
        if int(classes.max()) >= _FEW_CLASSES:
            return
        self._columns = F.one_hot(classes).to(torch.float64)
        if weights is not None:
            within = self._columns * weights[1][:, None]
            self._columns = torch.cat([within, weights[0][:, None]], 1)

    def totals(self, kernel: Tensor, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Return (rows,) sums over all samples, and over those of the row's class.

        Parameters
        ----------
        kernel
            (rows, N) float64.
        rows
            Which samples the rows are of.
        """
        if self._columns is None:
            own = self.own(kernel, rows)
            if self._weights is None:
                return kernel.sum(1), own.sum(1)
            return kernel @ self._weights[0], own @ self._weights[1]
        sums = kernel @ self._columns
        within = sums.gather(1, self._classes[rows, None]).squeeze(1)
        return (sums.sum(1) if self._weights is None else sums[:, -1]), within

    def own(self, kernel: Tensor, rows: slice | Tensor) -> Tensor:
        """Return the kernel where it is between samples of one class, and 0 elsewhere."""
        return torch.where(self._classes[rows, None] == self._classes, kernel, 0.0)
