"""Nearest neighbours of samples, found once, for I(Y;M) with any classes and any part of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

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
        parts = [rows.topk(width, 1, largest=False) for rows in self._rows(distances)]
        self._near = self._above_floor(torch.cat([part.values for part in parts]))
        self._who = torch.cat([part.indices for part in parts])

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
        terms = [
            self._terms(rows, numbers, sizes, there)
            for rows in there.nonzero()[:, 0].split(max(1, _VALUES // self._who.shape[1]))
        ]
        return float(_psi(there.sum()) + torch.cat(terms).mean())

    def _terms(self, rows: Tensor, numbers: Tensor, sizes: Tensor, there: Tensor) -> Tensor:
        """Return ψ(k) − ψ(N_y) − ψ(m) for some samples."""
        near, who, own = self._near[rows], self._who[rows], numbers[rows]
        wanted = (sizes[own] - 1).clamp(max=self._neighbours) + 1  # the sample itself is the first
        is_there = there[who]
        is_own = is_there & (numbers[who] == own[:, None])
        rank = is_own.cumsum(1, dtype=torch.int32)
        place = (rank < wanted[:, None]).sum(1)
        radius = near.gather(1, place.clamp(max=near.shape[1] - 1)[:, None])
        inside = near <= radius
        around = (is_there & inside).sum(1)
        same = (is_own & inside).sum(1)
        radius = radius[:, 0]
        if near.shape[1] < len(self._distances):
            is_short = (place == near.shape[1]) | (radius >= near[:, -1])
            short = is_short.nonzero()[:, 0]
            for some in short.split(max(1, _VALUES // len(there))) if len(short) else ():
                radius[some], around[some], same[some] = self._from_rows(
                    rows[some], wanted[some], numbers, there
                )
        k = torch.where(radius > 0, wanted - 1, same)
        m = torch.where(radius > 0, around - 1, around)
        return _psi(k) - _psi(m) - _psi(sizes[own])

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


def _psi(counts: Tensor) -> Tensor:
    return torch.digamma(counts.to(torch.float64))
