"""Inner products between samples, added up over slices of a layer's units."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from infoflow.estimators.distances import (
    add_products,
    add_upper_products,
    centred_chunks,
    distances_from_gram,
)

#: In what inner products are taken.
Precision = Literal["float64", "float32"]
PRECISIONS = get_args(Precision)
#: Rows of distances that are taken in float64, too.
_CHECKED = 16


class Products:
    """Inner products of N samples, in float64.

    Parameters
    ----------
    samples
        N.
    device
        Where the values come.
    """

    def __init__(self, samples: int, device: torch.device) -> None:
        self.gram = torch.zeros(samples, samples, dtype=torch.float64, device=device)

    @property
    def sums(self) -> list[Tensor]:
        """What adds up over slices of the units."""
        return [self.gram]

    def add(self, values: Tensor) -> None:
        """Add the products of (N, d) values of some units."""
        add_products(self.gram, values)

    def distances(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the squared distances, and variants that tell how far rounding may lead.

        Call it once: the distances take the place of the products.
        """
        return distances_from_gram(self.gram), ()


class SingleProducts(Products):
    """Inner products in float32 of values that are centred and scaled in float64.

    Squared norms are in float64, and so are the distances of 16 samples to all. The largest
    deviation that these show is how far any distance may be off: the variants are all distances
    larger by it, all smaller, and each of them one or the other at random.

    Examples
    --------
    >>> values = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    >>> products = SingleProducts(20, values.device)
    >>> products.add(values)
    >>> distances, (larger, smaller, _) = products.distances()
    >>> 0 < (larger - smaller).max() < 1e-4
    tensor(True)
    """

    def __init__(self, samples: int, device: torch.device) -> None:
        super().__init__(samples, device)
        self._part = torch.zeros(samples, samples, dtype=torch.float32, device=device)
        self._rows = torch.arange(0, samples, max(1, samples // _CHECKED), device=device)
        self._checked = self.gram.new_zeros(len(self._rows), samples)
        self._norms = self.gram.new_zeros(samples)

    @property
    def sums(self) -> list[Tensor]:
        """What adds up over slices of the units."""
        return [self.gram, self._checked, self._norms]

    def add(self, values: Tensor) -> None:
        """Add the products of (N, d) values of some units."""
        for centred in centred_chunks(values):
            self._norms += centred.square().sum(1)
            self._checked.addmm_(centred[self._rows], centred.T)
            # powers of float32 would overflow, or vanish
            scale = centred.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
            add_upper_products(self._part.zero_(), (centred / scale).to(torch.float32))
            self.gram += self._part.to(torch.float64).mul_(scale.square())
        self.gram.diagonal().copy_(self._norms)

    def distances(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the squared distances, and variants that tell how far rounding may lead."""
        rows = self._rows
        exact = self._norms[rows, None] + self._norms - 2 * self._checked
        found = distances_from_gram(self.gram)
        off = (found[rows] - exact.clamp_(min=0.0)).scatter_(1, rows[:, None], 0.0).abs().max()
        generator = torch.Generator().manual_seed(0)
        signs = torch.rand(len(found), len(found), generator=generator, device="cpu")
        either = (signs.triu(1) - 0.5).sign().triu(1).to(found)
        return found, tuple(
            (found + change).clamp_(min=0.0).fill_diagonal_(0.0)
            for change in (off, -off, off * (either + either.T))
        )
