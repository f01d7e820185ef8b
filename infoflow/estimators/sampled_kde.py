"""Rows of the kernel, drawn at random, that interval, null and second bound of many samples take.

The values take all N rows; :mod:`infoflow.estimators.sampled_estimate` says what is made of some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.class_sums import Classed
from infoflow.estimators.distances import DistanceRows, some_rows
from infoflow.estimators.kernel import Totals, small_blocks
from infoflow.estimators.shuffles import Shuffles

#: Rows of the kernel that interval, null and the other bound take.
ROWS = 500
#: Up to so many samples, they take all rows.
FEW_SAMPLES = 4 * ROWS
#: Sums over cells, and rows, that wait for one product with the shuffled classes.
_CELL_SUMS = 2**21
_MOST_ROWS = 256
Bound = Literal["upper", "lower"]


@dataclass(frozen=True)
class Doubt:
    """Of n rows drawn from N samples, what intervals, nulls and the other bound are made of.

    Parameters
    ----------
    numbers
        (n,) int64 numbers of the samples, ascending.
    other_total, other_within
        (n,) sums of the other bound's kernel over all samples, and over those of the row's class.
    pull, pull_within
        (n,) sums over the other samples i of k_il / Σ_j k_ij for row l: how much l counts for them;
        the second over the class of l alone.
    slope, slope_within
        (n,) sums of k_ij · e_ij, over all samples and over the class; none where not asked for.
    shuffled
        (permutations, n) sums over the samples of the same shuffled class.
    """

    numbers: Tensor
    other_total: Tensor
    other_within: Tensor
    pull: Tensor
    pull_within: Tensor
    slope: Tensor
    slope_within: Tensor
    shuffled: Tensor


@dataclass(frozen=True)
class Kernels:
    """The Gaussian kernels of both bounds.

    Parameters
    ----------
    factor
        What squared distances are multiplied by for the lower bound. The upper bound has four times
        the exponents, so the fourth power of the kernel.
    bound
        Which bound the value is.
    with_slope
        Whether derivatives by the noise variance are wanted.
    """

    factor: float
    bound: Bound
    with_slope: bool

    def both(self, distances: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
        """Return the kernel of the value, and that of the other bound, in (2, rows, N) of room."""
        flat, steep = room[:, : len(distances)]
        torch.mul(distances, -self.factor, out=flat).exp_()
        torch.mul(flat, flat, out=steep).mul_(steep)
        return (steep, flat) if self.bound == "upper" else (flat, steep)

    def slopes(self, kernel: Tensor, distances: Tensor) -> Tensor:
        """Return k_ij · e_ij of the kernel of the value."""
        steepness = self.factor * (4.0 if self.bound == "upper" else 1.0)
        return torch.mul(distances, steepness).mul_(kernel)


def drawn_rows(samples: int, device: torch.device | None = None) -> Tensor:
    """Return the numbers of the rows that are drawn: always the same, (n,) int64, ascending."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(samples, generator=generator, device="cpu")
    return order[:ROWS].sort().values.to(device)


def sampled_doubt(
    statistic: Tensor | DistanceRows,
    totals: Totals,
    classes: Tensor,
    shuffles: Shuffles | None,
    kernels: Kernels,
) -> Doubt:
    """Visit some rows of the kernels once.

    Parameters
    ----------
    statistic
        Squared distances of N samples.
    totals
        Of the kernel of the value, for all rows.
    classes
        (N,) int64 classes; all zero where there is no Y.
    shuffles
        The classes in other orders; none where None.
    kernels
        Of the value and the other bound.
    """
    numbers = drawn_rows(len(classes), classes.device)
    shuffles = shuffles or Shuffles.none(classes)
    plain = Classed(classes)
    pulling = Classed(classes, (1 / totals.total, 1 / totals.within))
    parts: list[tuple[Tensor, ...]] = []
    shuffled: list[Tensor] = []
    room = totals.total.new_empty(0)
    for chosen in numbers.split(max(1, min(_MOST_ROWS, _CELL_SUMS // shuffles.cells))):
        by_cell = []
        for distances, rows in _blocks(statistic, chosen):
            if room.numel() < 2 * distances.numel():  # used again, it costs less than new memory
                room = torch.empty(2, *distances.shape, dtype=torch.float64, device=room.device)
            main, other = kernels.both(distances, room)
            slopes = (main.new_empty(0),) * 2
            if kernels.with_slope:
                slopes = plain.totals(kernels.slopes(main, distances), rows)
            parts.append((*plain.totals(other, rows), *pulling.totals(main, rows), *slopes))
            by_cell.append(shuffles.in_cells(main).clone() if len(shuffles) else main[:, :0])
        shuffled.append(shuffles.over_cells(torch.cat(by_cell), chosen))
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    other, other_within, pull, pull_within, slope, slope_within = columns
    return Doubt(
        numbers=numbers,
        other_total=other,
        other_within=other_within,
        pull=pull - 1 / totals.total[numbers],
        pull_within=pull_within - 1 / totals.within[numbers],
        slope=slope,
        slope_within=slope_within,
        shuffled=torch.cat(shuffled).T,
    )


def _blocks(statistic: Tensor | DistanceRows, numbers: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield small blocks of some rows of distances, and which rows they are."""
    start = 0
    for block in small_blocks(some_rows(statistic, numbers)):
        yield block, numbers[start : start + len(block)]
        start += len(block)
