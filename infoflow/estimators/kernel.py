"""Sums of Gaussian kernels over all samples, collected in one sweep over rows of distances.

All that the kernel density estimate says is made of these sums, so that N samples never need an
N×N matrix: a block of its rows is enough at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from infoflow.estimators.jackknife import deal_groups
from infoflow.estimators.shuffles import Shuffles

#: Rows whose exponents are worked on at a time, in values: 8 MB of float64 stays near the caches.
_BLOCK_VALUES = 2**20


@dataclass(frozen=True)
class Totals:
    """For each sample i, sums over samples j of k_ij = exp(−e_ij).

    Parameters
    ----------
    total, within
        (N,) sums over all samples, and over those of the same class.
    """

    total: Tensor
    within: Tensor


@dataclass(frozen=True)
class Sums(Totals):
    """Sums of kernels with those that intervals and nulls are made of.

    Parameters
    ----------
    total_by_group, within_by_group
        (N, groups) the same, over the samples of each group of the jackknife.
    total_slope, within_slope
        (N,) sums of k_ij · e_ij: the derivative of the sums by the logarithm of the noise variance.
    shuffled
        (permutations, N) as ``within``, for shuffled classes.
    """

    total_by_group: Tensor
    within_by_group: Tensor
    total_slope: Tensor
    within_slope: Tensor
    shuffled: Tensor


def kernel_sums(
    exponents: Iterable[Tensor],
    classes: Tensor,
    permuted: Tensor | None = None,
    *,
    factor: float = 1.0,
    others: Sequence[float] = (),
) -> tuple[Sums, list[Totals]]:
    """Return the sums for exponents e_ij times a factor, and the totals for other factors.

    Parameters
    ----------
    exponents
        Blocks of rows, (rows, N) float64 each, in the order of the samples: N rows in all.
    classes
        (N,) int64 classes; all zero where there is no Y.
    permuted
        (permutations, N) shuffled classes.
    factor, others
        What the exponents are multiplied by.
    """
    membership = F.one_hot(deal_groups(len(classes), classes.device)).to(torch.float64)
    shuffles = Shuffles(classes.new_empty(0, len(classes)) if permuted is None else permuted)
    main: list[tuple[Tensor, ...]] = []
    rest: list[list[tuple[Tensor, ...]]] = [[] for _ in others]
    for block, rows, is_own in _with_rows(exponents, classes):
        for number, other in enumerate(others):
            rest[number].append(_totals_of_block(block * -other, is_own))
        main.append(_of_block(block * factor, rows, is_own, membership, shuffles))
    columns = _joined(main)
    columns[-1] = columns[-1].T
    return Sums(*columns), [Totals(*_joined(parts)) for parts in rest]


def kernel_totals(exponents: Iterable[Tensor], classes: Tensor, factor: float = 1.0) -> Totals:
    """Return the totals of :func:`kernel_sums` alone, which cost less."""
    blocks = _with_rows(exponents, classes)
    return Totals(
        *_joined([_totals_of_block(block * -factor, is_own) for block, _, is_own in blocks])
    )


def _with_rows(
    exponents: Iterable[Tensor], classes: Tensor
) -> Iterator[tuple[Tensor, slice, Tensor]]:
    """Yield small blocks of rows, which rows they are, and which samples are of a row's class."""
    start = 0
    for block in small_blocks(exponents):
        rows = slice(start, start + len(block))
        start = rows.stop
        yield block, rows, classes[rows, None] == classes


def _totals_of_block(negative: Tensor, is_own: Tensor) -> tuple[Tensor, ...]:
    """Return the fields of Totals for a block of −e_ij, which is overwritten."""
    kernel = negative.exp_()
    total = kernel.sum(1)
    return total, kernel.mul_(is_own).sum(1)


def _of_block(
    exponents: Tensor, rows: slice, is_own: Tensor, membership: Tensor, shuffles: Shuffles
) -> tuple[Tensor, ...]:
    """Return the fields of Sums for a block of rows; shuffled sums have the rows first."""
    kernel = torch.exp(-exponents)
    own = kernel * is_own
    steep = exponents.mul_(kernel)
    return (
        kernel.sum(1),
        own.sum(1),
        kernel @ membership,
        own @ membership,
        steep.sum(1),
        steep.mul_(is_own).sum(1),
        shuffles.sums(kernel, rows),
    )


def _joined(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def small_blocks(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Cut blocks of rows into such that stay near the processor's caches."""
    for block in blocks:
        yield from block.split(max(1, _BLOCK_VALUES // block.shape[1]))
