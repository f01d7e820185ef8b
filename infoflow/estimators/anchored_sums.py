"""Sums of Gaussian kernels of some samples, the rows, against all samples, which come in blocks.

The blocks may be of any size, so that time and memory grow with the number of samples, not with
its square.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.kernel import Sums, Totals
from infoflow.estimators.rows import Rows
from infoflow.estimators.shuffles import ShuffledRows, Shuffles

#: The null is made of so many sums over cells at most, in float32: of fewer rows where there are
#: many cells.
CELL_SUMS = 2**23


class AnchoredTotals:
    """Sums over all samples, and over those of each row's class.

    Parameters
    ----------
    rows
        The n rows.
    classes
        (N,) int64 classes, numbered from 0; all zero where there is no Y.
    """

    def __init__(self, rows: Rows, classes: Tensor) -> None:
        self.rows = rows
        self._classes, self._own = classes, classes[rows.numbers]
        zeros = torch.zeros(len(rows.numbers), dtype=torch.float64, device=classes.device)
        self._total, self._within = zeros, zeros.clone()

    def add(self, kernel: Tensor, samples: slice) -> None:
        """Add a (samples, n) float64 block of the kernel."""
        self._total += kernel.sum(0)
        self._within += self.within(kernel, samples).sum(0)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return [self._total, self._within]

    def within(self, kernel: Tensor, samples: slice) -> Tensor:
        """Return the kernel where it is between samples of one class, and 0 elsewhere."""
        return torch.where(self._classes[samples, None] == self._own, kernel, 0.0)

    def result(self) -> Totals:
        """Return the totals over all blocks."""
        return Totals(self.rows, self._total, self._within)


class AnchoredSums:
    """Sums of kernels with those that intervals and nulls are made of; see :class:`Sums`.

    Parameters
    ----------
    rows, classes
        As for :class:`AnchoredTotals`.
    shuffles
        Shuffled classes of all samples; none where None.
    with_slope
        Whether the slopes are wanted.
    """

    def __init__(
        self,
        rows: Rows,
        classes: Tensor,
        shuffles: Shuffles | None = None,
        *,
        with_slope: bool = False,
    ) -> None:
        self._totals = AnchoredTotals(rows, classes)
        self._rows, self._shuffles = rows, shuffles
        count, groups = len(rows.numbers), len(rows.samples_left)
        self._by_group = rows.weights.new_zeros(2, groups, count)
        self._slopes = rows.weights.new_full((2, count), 0.0 if with_slope else math.nan)
        self._nulled = _rows_of_null(rows, shuffles)
        cells = 0 if shuffles is None or not len(shuffles) else shuffles.cells
        self._by_cell = torch.zeros(
            cells, len(self._nulled), dtype=torch.float32, device=classes.device
        )

    def add(self, kernel: Tensor, samples: slice, exponents: Tensor | None = None) -> None:
        """Add a block.

        Parameters
        ----------
        kernel
            (samples, n) float64.
        samples
            Which samples these are.
        exponents
            What the kernel is made of, (samples, n), where slopes are wanted.
        """
        groups = self._rows.groups[samples]
        within = self._totals.within(kernel, samples)
        self._by_group[0].index_add_(0, groups, kernel)
        self._by_group[1].index_add_(0, groups, within)
        if exponents is not None:
            self._slopes[0] += (kernel * exponents).sum(0)
            self._slopes[1] += (within * exponents).sum(0)
        if len(self._by_cell) and self._shuffles is not None:
            chosen = kernel if len(self._nulled) == kernel.shape[1] else kernel[:, self._nulled]
            cells = self._shuffles.cell_of[samples]
            self._by_cell.index_add_(0, cells, chosen.to(torch.float32))

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return [self._by_group, self._slopes, self._by_cell]

    def result(self) -> Sums:
        """Return the sums over all blocks."""
        total, within = self._by_group.transpose(1, 2)
        shuffled, counted = self._shuffled(total.sum(1))
        return Sums(
            self._rows,
            total.sum(1),
            within.sum(1),
            total,
            within,
            self._slopes[0],
            self._slopes[1],
            shuffled,
            counted,
        )

    def _shuffled(self, total: Tensor) -> tuple[Tensor, ShuffledRows | None]:
        if self._shuffles is None or not len(self._by_cell):
            return total.new_empty(0, len(total)), None
        some, numbers = self._nulled, self._rows.numbers[self._nulled]
        sums = self._shuffles.over_cells(self._by_cell.T.contiguous(), numbers).T
        shuffled, log_shares = total.repeat(len(sums), 1), total.new_zeros(len(sums), len(total))
        shuffled[:, some], log_shares[:, some] = sums, self._shuffles.log_shares(numbers)
        weights = torch.zeros_like(total)
        weights[some] = self._rows.weights[some]
        return shuffled, ShuffledRows(weights / weights.sum(), log_shares)


def _rows_of_null(rows: Rows, shuffles: Shuffles | None) -> Tensor:
    """Return the places of the rows that the null is made of: all, or some evenly spread."""
    count = len(rows.numbers)
    most = count if shuffles is None else max(1, CELL_SUMS // max(shuffles.cells, 1))
    step = -(-count // most)
    return torch.arange(0, count, step, dtype=torch.int64, device=rows.numbers.device)


Bound = Literal["upper", "lower"]


class AnchoredBounds:
    """The sums for one bound, and the totals for the other, from the same exponentials.

    Parameters
    ----------
    rows, classes, shuffles, with_slope
        As for :class:`AnchoredSums`.
    factor
        What squared distances are multiplied by for the lower bound; the upper one has four times
        the exponents, so the fourth power of the kernel.
    bound
        Which bound the sums are for.
    """

    def __init__(
        self,
        rows: Rows,
        classes: Tensor,
        shuffles: Shuffles | None = None,
        *,
        factor: float,
        bound: Bound,
        with_slope: bool = False,
    ) -> None:
        self._sums = AnchoredSums(rows, classes, shuffles, with_slope=with_slope)
        self._others = AnchoredTotals(rows, classes)
        self._factor, self._bound, self._with_slope = factor, bound, with_slope

    def add(self, distances: Tensor, samples: slice) -> None:
        """Add a (samples, n) block of squared distances; it is left as it is."""
        kernel = (distances * -self._factor).exp_()
        steepness = 4.0 if self._bound == "upper" else 1.0
        exponents = distances * (steepness * self._factor) if self._with_slope else None
        if self._bound == "lower":
            self._sums.add(kernel, samples, exponents)
            self._others.add(kernel.square_().square_(), samples)
        else:
            self._others.add(kernel, samples)
            self._sums.add(kernel.square_().square_(), samples, exponents)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return [*self._sums.sums(), *self._others.sums()]

    def result(self) -> tuple[Sums, Totals]:
        """Return the sums for the bound, and the totals for the other one."""
        return self._sums.result(), self._others.result()
