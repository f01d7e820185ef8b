"""Inner products between samples, added up over slices of a layer's units."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from infoflow.estimators.distances import (
    CHUNK_BYTES,
    NEAR_BYTES,
    add_products,
    add_upper_products,
    distances_from_gram,
)

#: In what inner products are taken.
Precision = Literal["float64", "float32"]
PRECISIONS = get_args(Precision)
#: Samples whose products are taken in float64, too.
_CHECKED = 24


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
    """Inner products in float32 of values that are centred and scaled.

    Those between 24 of the samples are taken in float64, too. A distance is four products, so it
    may be off by four times the largest deviation of these. The variants are all distances larger
    by that, all smaller, and each of them one or the other at random.

    Examples
    --------
    >>> values = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    >>> products = SingleProducts(20, values.device)
    >>> products.add(values)
    >>> distances, (larger, smaller, _) = products.distances()
    >>> 0 < (larger - smaller).max() < 1e-3
    tensor(True)
    """

    def __init__(self, samples: int, device: torch.device) -> None:
        super().__init__(samples, device)
        self._part = torch.zeros(samples, samples, dtype=torch.float32, device=device)
        step = max(1, samples // _CHECKED)
        self._rows = torch.arange(0, samples, step, dtype=torch.int64, device=device)
        self._checked = self.gram.new_zeros(len(self._rows), len(self._rows))
        self._room = self._part.new_empty(samples, _columns(samples, CHUNK_BYTES))

    @property
    def sums(self) -> list[Tensor]:
        """What adds up over slices of the units."""
        return [self.gram, self._checked]

    def add(self, values: Tensor) -> None:
        """Add the products of (N, d) values of some units."""
        low, high = values.aminmax(dim=0)
        # squares would overflow in float32, or vanish
        scale = (high - low).amax().clamp(min=torch.finfo(torch.float32).tiny)
        width, few = self._room.shape[1], _columns(len(values), NEAR_BYTES)
        for start in range(0, values.shape[1], width):
            single = self._room[:, : min(width, values.shape[1] - start)]
            for first in range(0, single.shape[1], few):
                place = single[:, first : first + few]
                units = slice(start + first, start + first + place.shape[1])
                part = values[:, units]
                # rounding must not move the mean of a constant unit
                mean = part.mean(dim=0).clamp(low[units], high[units])
                place.copy_((part - mean).div_(scale))
                checked = part[self._rows].to(torch.float64).sub_(mean)
                self._checked.addmm_(checked, checked.T)
            add_upper_products(self._part.zero_(), single)
            self.gram += self._part.to(torch.float64).mul_(scale.to(torch.float64).square())

    def distances(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the squared distances, and variants that tell how far rounding may lead."""
        ours = self.gram[self._rows[:, None], self._rows]
        off = 4 * (ours - self._checked).triu().abs().max()
        found = distances_from_gram(self.gram)
        off = torch.where(found.max() > 0.0, off, 0.0)  # a constant layer has no rounding
        generator = torch.Generator().manual_seed(0)
        size = (len(found), len(found))
        signs = torch.rand(size, generator=generator, dtype=torch.float32, device="cpu")
        either = (signs.triu(1) - 0.5).sign().triu(1).to(found)
        return found, tuple(
            (found + change).clamp_(min=0.0).fill_diagonal_(0.0)
            for change in (off, -off, off * (either + either.T))
        )


def _columns(rows: int, size: int) -> int:
    """Return how many columns of ``rows`` float32 values take so many bytes."""
    return max(1, size // (4 * max(rows, 1)))
