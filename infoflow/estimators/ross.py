"""Nearest neighbours of samples, found once, for I(Y;M) with any classes and any part of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

#: The nearest samples of each that are kept: so many times what is needed on average, and more.
_TIMES = 3
_MORE = 16
#: Values that are worked on at a time.
_VALUES = 2**22


class Neighbourhoods:
    """The nearest samples of every sample, in their order.

    They are enough for nearly all samples, whatever the classes. Where too few of a sample's own
    class are among them, or ties may go on beyond them, its whole row of distances is read.

    Parameters
    ----------
    distances
        (N, N) distances or squared distances, which have the same order. What is not above 1e-13
        of the largest one, or 1e-30, may be rounding, and counts as 0.
    labels
        (N,) classes, from which the number of samples to keep is guessed.
    neighbours
        k, at least 1.
    """

    def __init__(self, distances: Tensor, labels: Tensor, neighbours: int) -> None:
        self._distances = distances
        self._floor = max(1e-13 * float(distances.max()), 1e-30)
        self._neighbours = neighbours
        samples = len(distances)
        sizes = labels.unique(return_inverse=True, return_counts=True)
        size = float(sizes[2][sizes[1]].median())
        width = min(samples, _MORE + int(_TIMES * (neighbours + 1) * samples / size))
        parts = [_nearest(rows, width) for rows in self._rows(distances)]
        self._near = self._above_floor(torch.cat([near for near, _ in parts]))
        self._who = torch.cat([who for _, who in parts])

    def about(self, labels: Tensor, keep: Tensor | None = None) -> float:
        """Estimate I(Y;M) in nats, by B. C. Ross, PLoS ONE 9(2), e87357 (2014), eq. 2.

        ψ(N) − mean ψ(N_y) + mean ψ(k) − mean ψ(m), with N_y the samples of a sample's class and m
        the samples of any class within the distance of its k-th neighbour of the same class.
        Classes with k or fewer samples use all but one of them as k; classes with one sample are
        left out, and it is NaN where there are no others. A sample with k or more duplicates in
        its class counts them instead, after Gao et al. It may be slightly negative.

        Parameters
        ----------
        labels
            (N,) classes.
        keep
            (N,) which samples there are; all where None.
        """
        numbers = labels.unique(return_inverse=True)[1]
        there = torch.ones_like(labels, dtype=torch.bool) if keep is None else keep
        sizes = numbers[there].bincount(minlength=int(numbers.max()) + 1)
        there = there & (sizes[numbers] > 1)
        if not bool(there.any()):
            return math.nan
        step = max(1, _VALUES // self._who.shape[1])
        terms = [
            self._terms(rows, numbers, sizes, there) for rows in there.nonzero()[:, 0].split(step)
        ]
        return float(_psi(there.sum()) + torch.cat(terms).mean())

    def _terms(self, rows: Tensor, numbers: Tensor, sizes: Tensor, there: Tensor) -> Tensor:
        """Return ψ(k) − ψ(N_y) − ψ(m) for some samples."""
        own = sizes[numbers[rows]]
        wanted = (own - 1).clamp(max=self._neighbours) + 1  # the sample itself is the first
        radius, around, same = self._counts(rows, wanted, numbers, there)
        k = torch.where(radius > 0, wanted - 1, same)
        m = torch.where(radius > 0, around - 1, around)
        return _psi(k) - _psi(m) - _psi(own)

    def _counts(
        self, rows: Tensor, wanted: Tensor, numbers: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return radii, samples within them, and those of the own class.

        From half of what is kept for nearly all rows, from all of it for most others, and from the
        whole rows where that is not enough.
        """
        found = (
            torch.empty(len(rows), dtype=self._near.dtype, device=rows.device),
            torch.empty_like(rows),
            torch.empty_like(rows),
        )
        left = torch.arange(len(rows), dtype=torch.int64, device=rows.device)
        width = self._who.shape[1]
        for columns in (-(-width // 2), width):
            *parts, is_short = self._within(rows[left], wanted[left], columns, numbers, there)
            for whole, part in zip(found, parts, strict=True):
                whole[left] = part
            left = left[is_short]
            if not len(left):
                return found
        for some in left.split(max(1, _VALUES // len(there))):
            parts = list(self._from_rows(rows[some], wanted[some], numbers, there))
            for whole, part in zip(found, parts, strict=True):
                whole[some] = part
        return found

    def _within(
        self, rows: Tensor, wanted: Tensor, columns: int, numbers: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return radii, samples within them, those of the own class, and where they may be more.

        What is near comes in ascending order, so that counts up to each place answer all.
        """
        is_every = len(rows) == len(there)
        near, who = (part[:, :columns] for part in (self._near, self._who))
        near, who = (near, who) if is_every else (near[rows], who[rows])
        is_own = numbers[who] == numbers[rows, None]
        is_there = None if is_every or bool(there.all()) else there[who]
        if is_there is not None:
            is_own &= is_there
        rank = is_own.cumsum(1, dtype=torch.int32)
        place = torch.searchsorted(rank, wanted[:, None].to(rank.dtype))
        radius = near.gather(1, place.clamp(max=columns - 1))
        inside = torch.searchsorted(near.contiguous(), radius, right=True)
        last = (inside - 1).clamp(min=0)
        around = inside
        if is_there is not None:
            around = is_there.cumsum(1, dtype=torch.int32).gather(1, last).to(inside.dtype)
        same = rank.gather(1, last).to(inside.dtype)
        is_short = (place == columns) | (radius >= near[:, -1:])
        if columns == len(there):
            is_short = torch.zeros_like(is_short)
        return radius[:, 0], around[:, 0], same[:, 0], is_short[:, 0]

    def _from_rows(
        self, rows: Tensor, wanted: Tensor, numbers: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return radii, samples within them, and those of the own class, from whole rows."""
        far = self._above_floor(self._distances[rows]).masked_fill_(~there, math.inf)
        is_own = numbers[rows, None] == numbers
        own = torch.where(is_own, far, math.inf)
        nearest = own.topk(int(wanted.max()), 1, largest=False).values
        radius = nearest.gather(1, wanted[:, None] - 1)
        return radius[:, 0], (far <= radius).sum(1), (own <= radius).sum(1)

    def _above_floor(self, distances: Tensor) -> Tensor:
        return torch.where(distances > self._floor, distances, 0.0)

    @staticmethod
    def _rows(distances: Tensor) -> Iterator[Tensor]:
        yield from distances.split(max(1, _VALUES // len(distances)))


def _nearest(rows: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return the smallest values of each row in ascending order, and where they are."""
    if rows.device.type != "cpu" or width == rows.shape[1]:
        found = rows.topk(width, 1, largest=False)
        return found.values, found.indices
    # on a CPU NumPy's selection takes half as long as torch's
    who = torch.from_numpy(np.argpartition(rows.numpy(), width - 1, axis=1)[:, :width])
    near, order = rows.gather(1, who).sort(1)
    return near, who.gather(1, order)


def _psi(counts: Tensor) -> Tensor:
    return torch.digamma(counts.to(torch.float64))
