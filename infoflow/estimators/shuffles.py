"""Sums of kernels over the samples of the same class, for classes that were shuffled.

They are nearly all that a permutation null costs. Large classes are summed by a product with their
indicators, small ones by picking their members; singletons then cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: A class of more than one in so many samples is large.
_LARGE = 32
#: Indicators, or members, that are alive at a time.
_VALUES = 2**20


class Shuffles:
    """Classes in many orders, and what is needed to sum over them.

    Parameters
    ----------
    permuted
        (permutations, N) int64 classes, numbered from 0: the same ones in every row.
    """

    def __init__(self, permuted: Tensor) -> None:
        self._permuted = permuted
        if not len(permuted):
            return
        self._counts = permuted[0].bincount()
        self._is_large = self._counts * _LARGE > permuted.shape[1]
        self._places = (self._is_large.cumsum(0) - 1).clamp(min=0)
        self._members = permuted.argsort(dim=1, stable=True).flatten()
        small = self._counts[~self._is_large]
        self._most = int(small.max()) if len(small) else 0

    def sums(self, kernel: Tensor, rows: slice) -> Tensor:
        """Return (rows, permutations) sums over the samples of the same shuffled class.

        Parameters
        ----------
        kernel
            Block of rows, (rows, N) float64.
        rows
            Which samples these are.
        """
        permutations, samples = self._permuted.shape
        sums = kernel.new_empty(len(kernel), permutations)
        if not permutations:
            return sums
        number = int(self._is_large.sum())
        if number:
            single = kernel.to(torch.float32)
            for part in self._parts(number * samples):
                sums[:, part] = self._of_large(single, rows, number, part)
        if self._most:
            for part in self._parts(self._most * len(kernel)):
                self._add_small(sums, kernel, rows, part)
        return sums

    def _parts(self, each: int) -> Iterator[slice]:
        step = max(1, _VALUES // each)
        for start in range(0, len(self._permuted), step):
            yield slice(start, min(start + step, len(self._permuted)))

    def _of_large(self, kernel: Tensor, rows: slice, number: int, part: slice) -> Tensor:
        """Return sums that are right for members of large classes, in float32."""
        classes = self._permuted[part]
        places = torch.where(self._is_large[classes], self._places[classes], number)
        of_each = torch.arange(number, device=kernel.device, dtype=torch.int64)[:, None]
        indicators = (places[:, None] == of_each).to(kernel.dtype)
        products = (kernel @ indicators.flatten(0, 1).T).view(len(kernel), -1, number)
        own = self._places[classes[:, rows]].T[..., None]
        return products.gather(2, own).squeeze(2)

    def _add_small(self, sums: Tensor, kernel: Tensor, rows: slice, part: slice) -> None:
        """Put in the sums of members of small classes, touching no others."""
        samples = kernel.shape[1]
        own = self._permuted[part, rows]
        orders, lines = (~self._is_large[own]).nonzero(as_tuple=True)
        classes = own[orders, lines]
        lengths = self._counts[classes]
        ends = lengths.cumsum(0)
        if not len(ends):
            return
        starts = (self._counts.cumsum(0) - self._counts)[classes]
        first = (orders + part.start) * samples + starts - (ends - lengths)
        places = torch.arange(int(ends[-1]), device=kernel.device, dtype=torch.int64)
        columns = self._members[places + first.repeat_interleave(lengths)]
        columns += (lines * samples).repeat_interleave(lengths)
        chosen = kernel.reshape(-1)[columns]
        sums[lines, orders + part.start] = torch.segment_reduce(chosen, "sum", lengths=lengths)
