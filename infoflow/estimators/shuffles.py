"""Sums of kernels over the samples of the same class, for classes that were shuffled.

They are nearly all that a permutation null costs, so many samples are shuffled in *cells*: a random
partition of the samples into cells of the same size, whose classes are then shuffled among the
cells. Every shuffle by itself is a uniformly random one. Two shuffles have in common which samples
lie in one cell: of K classes and C cells, about K/C of the pairs of a class, and of the variance.

Large classes are summed by a product with their indicators, small ones by picking their members;
singletons then cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from infoflow.estimators.uncertainty import shuffled

#: A class of more than one in so many cells is large.
_LARGE = 32
#: Members that are alive at a time.
_VALUES = 2**17
#: The fewest cells, and cells for each class; fewer than twice as many samples are a cell each.
_CELLS = 512
_CELLS_PER_CLASS = 32
#: Up to so many samples, the shuffles of the last classes are kept for the next layer.
_FEW = 4096


@dataclass(frozen=True)
class ShuffledRows:
    """What rows that stand for all samples count when the classes are shuffled.

    Parameters
    ----------
    weights
        (n,) float64 shares of the samples; 0 for rows without sums of shuffled classes.
    log_shares
        (permutations, n) float64 logarithms of p(y) for the shuffled class y of the row.
    """

    weights: Tensor
    log_shares: Tensor

    def means(self, log_ratios: Tensor) -> Tensor:
        """Return (permutations,) means of log p(y | m) / p(y).

        Parameters
        ----------
        log_ratios
            (permutations, n) logarithms of p(y | m).
        """
        return (log_ratios - self.log_shares) @ self.weights


class Shuffles:
    """Classes in many orders, and what is needed to sum over them.

    Parameters
    ----------
    permuted
        (permutations, cells) int64 classes, numbered from 0: the same ones in every row.
    order, cells
        (N,) int64 samples, and the first part of them that lies in cells of several samples, as
        their number: sample ``order[i]`` is of cell ``i % cells`` there. The others are a cell
        each. None where every sample is a cell, in their order.
    """

    def __init__(self, permuted: Tensor, order: Tensor | None = None, cells: int = 0) -> None:
        self._permuted = permuted
        self._order, self._cells = order, cells
        #: (permutations, N) the shuffled classes of the samples
        self.classes = permuted
        if not len(permuted):
            return
        if order is not None:
            self.classes = permuted[:, _cell_of(order, cells, permuted.shape[1])]
        self._counts = permuted[0].bincount()
        self._is_large = self._counts * _LARGE > permuted.shape[1]
        self._places = (self._is_large.cumsum(0) - 1).clamp(min=0)
        self._indicators = self._of_large_classes()
        self._small = _small_classes(permuted, self._counts, ~self._is_large)

    @classmethod
    def of(cls, classes: Tensor, permutations: int) -> Shuffles:
        """Shuffle (N,) classes, always in the same way, in cells where there are many samples.

        The layers of a net have the same classes, so the last shuffles of few samples are kept.
        """
        if len(classes) > _FEW:
            return cls._made(classes, permutations)
        return _kept(classes.cpu().numpy().tobytes(), permutations, classes.device)

    @classmethod
    def _made(cls, classes: Tensor, permutations: int) -> Shuffles:
        counts = classes.bincount()
        size = len(classes) // max(_CELLS, _CELLS_PER_CLASS * len(counts))
        if size < 2 or not permutations:
            return cls(shuffled(classes, permutations))
        whole, rest = counts // size, counts % size
        numbers = torch.arange(len(counts), dtype=torch.int64, device=classes.device)
        full = shuffled(numbers.repeat_interleave(whole), permutations)
        single = shuffled(numbers.repeat_interleave(rest), permutations)
        generator = torch.Generator().manual_seed(1)
        order = torch.randperm(len(classes), generator=generator, device="cpu")
        return cls(torch.cat([full, single], 1), order.to(classes.device), full.shape[1])

    @classmethod
    def none(cls, classes: Tensor) -> Shuffles:
        """Return no order of (N,) classes at all."""
        return cls(classes.new_empty(0, len(classes)))

    def __len__(self) -> int:
        return len(self._permuted)

    @property
    def cells(self) -> int:
        """How many cells the classes are shuffled among."""
        return self._permuted.shape[1]

    @cached_property
    def cell_of(self) -> Tensor:
        """(N,) int64 cell of each sample."""
        if self._order is None:
            return torch.arange(self.cells, dtype=torch.int64, device=self._permuted.device)
        return _cell_of(self._order, self._cells, self.cells)

    def log_shares(self, numbers: Tensor) -> Tensor:
        """Return (permutations, n) logarithms of p(y) for the shuffled classes of some samples."""
        own = self.classes[:, numbers]
        sizes = self.classes[0].bincount().to(torch.float64)
        return (sizes / sizes.sum())[own].log()

    def sums(self, kernel: Tensor, rows: slice) -> Tensor:
        """Return (rows, permutations) sums over the samples of the same shuffled class.

        Parameters
        ----------
        kernel
            Block of rows, (rows, N) float64.
        rows
            Which samples these are.
        """
        return self.over_cells(self.in_cells(kernel), rows)

    def in_cells(self, kernel: Tensor) -> Tensor:
        """Return (rows, cells) sums over the samples of each cell; many rows at a time cost less.

        In float32, unless every sample is a cell.
        """
        if self._order is None:
            return kernel
        several = len(self._order) - (self._permuted.shape[1] - self._cells)
        ordered = kernel.to(torch.float32).index_select(1, self._order)
        together = ordered[:, :several].unflatten(1, (-1, self._cells)).sum(1)
        return torch.cat([together, ordered[:, several:]], 1)

    def over_cells(self, by_cell: Tensor, rows: slice | Tensor) -> Tensor:
        """Return what :meth:`sums` returns, from sums over cells; rows may be numbers, too."""
        sums = by_cell.new_empty(len(by_cell), len(self), dtype=torch.float64)
        if not len(self):
            return sums
        if len(self._indicators):
            sums[:] = self._over_large(by_cell.to(torch.float32), rows)
        if not self._small:
            return sums
        flat = F.pad(by_cell, (0, 1)).reshape(-1)  # a cell of nothing fills up small classes
        for small in self._small:
            for part in self._parts(small.most * len(by_cell)):
                self._put_small(sums, flat, rows, part, small)
        return sums

    def _parts(self, each: int) -> Iterator[slice]:
        step = max(1, _VALUES // each)
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    def _of_large_classes(self) -> Tensor:
        """Return (cells, permutations · large classes) float32: which cells are of the class."""
        number = int(self._is_large.sum())
        places = torch.where(self._is_large[self._permuted], self._places[self._permuted], number)
        indicators = F.one_hot(places.T, number + 1)[..., :number].to(torch.float32)
        return indicators.flatten(1) if number else indicators.new_empty(0, 0)

    def _over_large(self, kernel: Tensor, rows: slice | Tensor) -> Tensor:
        """Return sums that are right for members of large classes, in float32."""
        products = (kernel @ self._indicators).view(len(kernel), len(self), -1)
        own = self._places[self.classes[:, rows]].T[..., None]
        return products.gather(2, own).squeeze(2)

    def _put_small(
        self, sums: Tensor, flat: Tensor, rows: slice | Tensor, part: slice, small: _Small
    ) -> None:
        """Put in the sums of members of small classes, touching no others."""
        places = small.places[self.classes[part, rows]]
        orders, lines = (places >= 0).nonzero(as_tuple=True)
        columns = small.members[orders + part.start, places[orders, lines]]
        columns += (lines * (self.cells + 1))[:, None]
        found = flat.take(columns).sum(1, dtype=sums.dtype)
        sums[lines, orders + part.start] = found


@lru_cache(maxsize=4)
def _kept(classes: bytes, permutations: int, device: torch.device) -> Shuffles:
    numbers = np.frombuffer(classes, dtype=np.int64).copy()
    return Shuffles._made(torch.from_numpy(numbers).to(device), permutations)


@dataclass(frozen=True)
class _Small:
    """Classes of about the same number of cells, and which cells these are in every order.

    Parameters
    ----------
    places
        (classes,) int64 place of each class among these; -1 for the others.
    members
        (permutations, these, most) int64 cells; filled up by one after the last.
    """

    places: Tensor
    members: Tensor

    @property
    def most(self) -> int:
        """Cells of the largest of these classes."""
        return self.members.shape[2]

    @classmethod
    def of(cls, permuted: Tensor, counts: Tensor, chosen: Tensor) -> _Small:
        """Find the cells of the chosen classes in (permutations, cells) orders."""
        cells = permuted.shape[1]
        order = permuted.argsort(dim=1, stable=True)
        order = torch.cat([order, torch.full_like(order[:, :1], cells)], 1)
        sizes, starts = counts[chosen], (counts.cumsum(0) - counts)[chosen]
        steps = torch.arange(int(sizes.max()), dtype=torch.int64, device=permuted.device)
        where = torch.where(steps < sizes[:, None], starts[:, None] + steps, cells)
        places = torch.full_like(counts, -1)
        places[chosen] = torch.arange(len(chosen), dtype=torch.int64, device=permuted.device)
        return cls(places, order[:, where])


def _small_classes(permuted: Tensor, counts: Tensor, is_small: Tensor) -> list[_Small]:
    """Return the small classes, those of more than 1, 2, 4, … cells together."""
    levels = counts.to(torch.float64).log2().ceil().to(torch.int64)
    chosen = [(is_small & (levels == level)).nonzero()[:, 0] for level in levels.unique()]
    return [_Small.of(permuted, counts, some) for some in chosen if len(some)]


def _cell_of(order: Tensor, cells: int, count: int) -> Tensor:
    """Return the cell of each sample: (N,)."""
    places = torch.arange(len(order), dtype=torch.int64, device=order.device)
    several = len(order) - (count - cells)
    found = torch.empty_like(order)
    found[order] = torch.where(places < several, places % cells, places - several + cells)
    return found
