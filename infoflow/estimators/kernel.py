"""Sums of Gaussian kernels over all samples, collected in one sweep over rows of distances.

All that the kernel density estimate says is made of these sums, so that N samples never need an
N×N matrix: a block of its rows is enough at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.class_sums import Classed
from infoflow.estimators.rows import Rows
from infoflow.estimators.shuffles import ShuffledRows, Shuffles

#: Rows whose exponents are worked on at a time, in values: 2 MB of float64 stays in the caches.
_BLOCK_VALUES = 2**18
#: Rows whose shuffled classes are summed in one product.
_ROWS = 256
#: Up to so many pairs of a class and a group of the jackknife, their sums are kept: (pairs, N).
_FEW_PAIRS = 512


@dataclass(frozen=True)
class Totals:
    """For n samples i, the rows, sums over all N samples j of k_ij = exp(−e_ij).

    Parameters
    ----------
    rows
        Which samples have a row; usually all.
    total, within
        (n,) sums over all samples, and over those of the same class.
    """

    rows: Rows
    total: Tensor
    within: Tensor


@dataclass(frozen=True)
class Sums(Totals):
    """Sums of kernels with those that intervals and nulls are made of.

    Parameters
    ----------
    total_by_group, within_by_group
        (n, groups) the same, over the samples of each group of the jackknife.
    total_slope, within_slope
        (n,) sums of k_ij · e_ij: the derivative of the sums by the logarithm of the noise variance;
        NaN where it was not asked for.
    shuffled
        (permutations, n) as ``within``, for shuffled classes.
    shuffled_rows
        What the rows count for shuffled classes, where there are not all of them.
    """

    total_by_group: Tensor
    within_by_group: Tensor
    total_slope: Tensor
    within_slope: Tensor
    shuffled: Tensor
    shuffled_rows: ShuffledRows | None = None


def kernel_sums(
    exponents: Iterable[Tensor],
    classes: Tensor,
    shuffles: Shuffles | None = None,
    *,
    factor: float = 1.0,
    with_slope: bool = False,
) -> Sums:
    """Return the sums for exponents e_ij times a factor.

    Parameters
    ----------
    exponents
        Blocks of rows, (rows, N) float64 each, in the order of the samples: N rows in all. They are
        symmetric.
    classes
        (N,) int64 classes; all zero where there is no Y.
    shuffles
        Shuffled classes; none where None.
    factor
        What the exponents are multiplied by.
    with_slope
        Whether the slopes are wanted.
    """
    sums = _Collected(classes, shuffles)
    for block, rows in _with_rows(exponents):
        exponent = block * factor
        kernel = torch.exp(-exponent)
        sums.add(kernel, rows, exponent if with_slope else None)
    return sums.result()


def bound_sums(
    exponents: Iterable[Tensor],
    classes: Tensor,
    shuffles: Shuffles | None = None,
    *,
    factor: float,
    bound: Literal["upper", "lower"],
    with_slope: bool = False,
) -> tuple[Sums, Totals]:
    """Return the sums for one bound, and the totals for the other, from the same exponentials.

    Parameters
    ----------
    exponents, classes, shuffles, with_slope
        As for :func:`kernel_sums`.
    factor
        What the exponents are multiplied by for the lower bound. The upper bound has four times the
        exponents, so the fourth power of the kernel.
    bound
        Which bound the sums are for.
    """
    sums, classed = _Collected(classes, shuffles), Classed(classes)
    others = []
    for block, rows in _with_rows(exponents):
        kernel = (block * -factor).exp_()
        if bound == "lower":
            sums.add(kernel, rows, block * factor if with_slope else None)
            others.append(classed.totals(kernel.square_().square_(), rows))
        else:
            others.append(classed.totals(kernel, rows))
            steep = block * (4 * factor) if with_slope else None
            sums.add(kernel.square_().square_(), rows, steep)
    return sums.result(), Totals(Rows.every(len(classes), classes.device), *_joined(others))


def kernel_totals(exponents: Iterable[Tensor], classes: Tensor, factor: float = 1.0) -> Totals:
    """Return the totals of :func:`kernel_sums` alone, which cost less."""
    classed, parts = Classed(classes), []
    room: Tensor | None = None  # memory that was used before costs less than new one
    for block, rows in _with_rows(exponents):
        room = torch.empty_like(block) if room is None or len(room) < len(block) else room
        kernel = torch.mul(block, -factor, out=room[: len(block)]).exp_()
        parts.append(classed.totals(kernel, rows))
    return Totals(Rows.every(len(classes), classes.device), *_joined(parts))


class _Collected:
    """The fields of Sums, collected in blocks of rows.

    Sums over groups add whole rows of the kernel, which is symmetric: that is quicker than to pick
    its columns. With few classes, rows of each pair of a class and a group are added up.
    """

    def __init__(self, classes: Tensor, shuffles: Shuffles | None) -> None:
        self._classes, self._classed = classes, Classed(classes)
        self._rows = Rows.every(len(classes), classes.device)
        self._shuffles = shuffles or Shuffles.none(classes)
        self._groups = self._rows.groups
        self._count = int(self._groups.max()) + 1
        pairs = (int(classes.max()) + 1) * self._count
        self._has_pairs = pairs <= _FEW_PAIRS
        self._numbers = self._groups + (classes * self._count if self._has_pairs else 0)
        size = (pairs if self._has_pairs else self._count, len(classes))
        self._total = torch.zeros(size, dtype=torch.float64, device=classes.device)
        self._within = self._total.new_zeros(0 if self._has_pairs else self._count, len(classes))
        self._slopes: list[tuple[Tensor, ...]] = []
        self._waiting: list[Tensor] = []
        self._shuffled: list[Tensor] = []

    def add(self, kernel: Tensor, rows: slice, exponents: Tensor | None) -> None:
        """Add a block of rows; its exponents, where slopes are wanted, are overwritten."""
        self._total.index_add_(0, self._numbers[rows], kernel)
        if not self._has_pairs:
            self._within.index_add_(0, self._numbers[rows], self._classed.own(kernel, rows))
        if exponents is None:
            slopes = (kernel.new_full((len(kernel),), math.nan),) * 2
        else:
            slopes = self._classed.totals(exponents.mul_(kernel), rows)
        self._slopes.append(slopes)
        self._wait(self._shuffles.in_cells(kernel), rows)

    def _wait(self, by_cell: Tensor, rows: slice) -> None:
        """Let sums over cells wait until there are enough rows for one product."""
        # without cells, they are the kernel itself, which is overwritten
        self._waiting.append(by_cell)
        count = sum(map(len, self._waiting))
        if by_cell.dtype == torch.float64 or count >= _ROWS or rows.stop == len(self._classes):
            rows = slice(rows.stop - count, rows.stop)
            self._shuffled.append(self._shuffles.over_cells(torch.cat(self._waiting), rows))
            self._waiting = []

    def result(self) -> Sums:
        """Return the sums over all blocks."""
        shuffled = torch.cat(self._shuffled).T
        total, within = self._total.T, self._within.T
        if self._has_pairs:
            pairs = total.view(len(total), -1, self._count)
            total = pairs.sum(1)
            rows = torch.arange(len(pairs), device=total.device, dtype=torch.int64)
            within = pairs[rows, self._classes]
        slopes = _joined(self._slopes)
        return Sums(
            self._rows,
            total.sum(1),
            within.sum(1),
            total,
            within,
            slopes[0],
            slopes[1],
            shuffled,
        )


def _with_rows(exponents: Iterable[Tensor]) -> Iterator[tuple[Tensor, slice]]:
    """Yield small blocks of rows, and which rows they are."""
    start = 0
    for block in small_blocks(exponents):
        rows = slice(start, start + len(block))
        start = rows.stop
        yield block, rows


def _joined(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def small_blocks(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Cut blocks of rows into such that stay near the processor's caches."""
    for block in blocks:
        yield from block.split(max(1, _BLOCK_VALUES // block.shape[1]))
