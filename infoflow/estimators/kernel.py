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

#: Rows whose exponents are worked on at a time, in values: 8 MB of float64 stays near the caches.
_BLOCK_VALUES = 2**20
#: Up to so many classes, a product with their indicators is quicker than picking members.
_FEW_CLASSES = 16


@dataclass(frozen=True)
class Sums:
    """For each sample i, sums over samples j of k_ij = exp(−e_ij).

    Parameters
    ----------
    total, within
        (N,) sums over all samples, and over those of the same class.
    total_by_group, within_by_group
        (N, groups) the same, over the samples of each group of the jackknife.
    shuffled
        (permutations, N) as ``within``, for shuffled classes.
    total_slope, within_slope
        (N,) sums of k_ij · e_ij: the derivative of the sums by the logarithm of the noise variance.
    """

    total: Tensor
    within: Tensor
    total_by_group: Tensor
    within_by_group: Tensor
    shuffled: Tensor
    total_slope: Tensor
    within_slope: Tensor


def kernel_sums(
    exponents: Iterable[Tensor],
    classes: Tensor,
    permuted: Tensor | None = None,
    *,
    factors: Sequence[float] = (1.0,),
) -> tuple[Sums, ...]:
    """Return the sums for exponents e_ij times each of the factors.

    Parameters
    ----------
    exponents
        Blocks of rows, (rows, N) float64 each, in the order of the samples: N rows in all.
    classes
        (N,) int64 classes; all zero where there is no Y.
    permuted
        (permutations, N) shuffled classes, for the first factor.
    factors
        What the exponents are multiplied by.
    """
    membership = F.one_hot(deal_groups(len(classes), classes.device)).to(torch.float64)
    none = classes.new_empty(0, len(classes))
    parts: list[list[tuple[Tensor, ...]]] = [[] for _ in factors]
    start = 0
    for block in small_blocks(exponents):
        rows = slice(start, start + len(block))
        start = rows.stop
        is_own = classes[rows, None] == classes
        for number, factor in enumerate(factors):
            shuffles = none if permuted is None or number else permuted
            parts[number].append(_of_block(block * factor, rows, is_own, membership, shuffles))
    return tuple(_joined(part) for part in parts)


def _of_block(
    exponents: Tensor, rows: slice, is_own: Tensor, membership: Tensor, permuted: Tensor
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
        _shuffled_sums(kernel, rows, permuted),
        steep.sum(1),
        torch.where(is_own, steep, 0.0).sum(1),
    )


def _joined(parts: Sequence[tuple[Tensor, ...]]) -> Sums:
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    columns[4] = columns[4].T
    return Sums(*columns)


def _shuffled_sums(kernel: Tensor, rows: slice, permuted: Tensor) -> Tensor:
    """Return (rows, permutations) sums over the samples of the same shuffled class."""
    if not len(permuted):
        return kernel.new_empty(len(kernel), 0)
    number = int(permuted[0].max()) + 1
    if number <= _FEW_CLASSES:
        single = kernel.to(torch.float32)
        sums = [
            (single @ F.one_hot(classes, number).to(torch.float32))
            .gather(1, classes[rows, None])
            .squeeze(1)
            for classes in permuted
        ]
    else:
        counts = permuted[0].bincount(minlength=number)
        sums = [_sums_of_own(kernel, classes, counts, rows) for classes in permuted]
    return torch.stack(sums, dim=1).to(torch.float64)


def _sums_of_own(kernel: Tensor, classes: Tensor, counts: Tensor, rows: slice) -> Tensor:
    """Return (rows,) sums over the samples of a row's own class, touching no others."""
    members = classes.argsort(stable=True)
    own = classes[rows]
    lengths = counts[own]
    ends = lengths.cumsum(0)
    first = (counts.cumsum(0) - counts)[own] - (ends - lengths)
    places = torch.arange(int(ends[-1]), device=kernel.device)
    columns = members[places + first.repeat_interleave(lengths)]
    lines = torch.arange(len(kernel), device=kernel.device).repeat_interleave(lengths)
    chosen = kernel.view(-1)[lines * kernel.shape[1] + columns]
    return torch.segment_reduce(chosen, "sum", lengths=lengths)


def small_blocks(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Cut blocks of rows into such that stay near the processor's caches."""
    for block in blocks:
        yield from block.split(max(1, _BLOCK_VALUES // block.shape[1]))
