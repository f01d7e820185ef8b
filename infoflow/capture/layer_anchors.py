"""The anchors of one layer, and blocks of the distances of samples to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.capture.sketch import Sketch
from infoflow.estimators.distances import columns_per_chunk
from infoflow.estimators.rows import Rows
from infoflow.interface import Layer

#: Samples of a block: with 1,000 anchors, 2 MB of distances stay near the processor.
BLOCK = 256


@dataclass(frozen=True)
class AnchorBlock:
    """Squared distances of some samples to the anchors of one layer.

    Parameters
    ----------
    layer
        The layer.
    samples
        Which samples, at most :data:`BLOCK`.
    distances
        (samples, n) float64.
    halves
        The same from each half of the layer's sketch; none where distances are exact.
    norms
        (samples,) float64 squared distances from the mean of all samples, or, where the variance is
        not wanted, from that of the anchors.
    variance
        Sum over units of the variance of all samples; NaN where it is not wanted.
    """

    layer: Layer
    samples: slice
    distances: Tensor
    halves: tuple[Tensor, ...]
    norms: Tensor
    variance: float


def places_in(rows: Rows, start: int, size: int) -> tuple[int, int]:
    """Return the first place of the rows among some samples, and the one after the last."""
    ends = torch.tensor([start, start + size], dtype=torch.int64, device=rows.numbers.device)
    first, last = torch.searchsorted(rows.numbers, ends).tolist()
    return first, last


class LayerAnchors:
    """The anchors of one layer, and the samples that wait for their distances to them."""

    def __init__(
        self,
        layer: Layer,
        rows: Rows,
        size: int,
        dtype: torch.dtype,
        device: torch.device,
        with_variance: bool,
    ) -> None:
        self._layer, self._rows = layer, rows
        self._count = len(rows.numbers)
        # the row after the anchors is for the mean
        self._sketch = Sketch(
            layer.units, self._count + 1, size=size, seed=layer.index, dtype=dtype, device=device
        )
        self._moments = _Moments(layer.units, device) if with_variance else None
        self._variance = math.nan
        self._centre = torch.empty(0, dtype=torch.float64, device=device)
        self._norms: tuple[Tensor, ...] = ()

    def refer(self, start: int, values: Tensor) -> None:
        """Take all values relative to the first of these, those of the loader's first samples."""
        self._sketch.refer(values[0])
        if self._moments is not None:
            self._moments.refer(values[0])

    def take(self, start: int, values: Tensor) -> None:
        """Keep the anchors among the values of some samples."""
        first, last = places_in(self._rows, start, len(values))
        if last > first:
            self._sketch.add(first, values[self._rows.numbers[first:last] - start])
        if self._moments is not None:
            self._moments.add(values)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples in the first pass."""
        moments = [] if self._moments is None else self._moments.sums()
        return [self._sketch.values, *moments]

    def end_first_pass(self, most: int) -> None:
        """Find the mean, and make room for so many samples."""
        values = self._sketch.values
        if self._moments is None:
            self._centre = values[: self._count].to(torch.float64).mean(0)
        else:
            mean, self._variance = self._moments.result()
            self._sketch.add(self._count, mean[None])
            self._centre = values[self._count].to(torch.float64)
        self._moments = None
        self._sketch.values = torch.cat(
            [values[: self._count], values.new_zeros(most, values.shape[1])]
        )
        self._norms = self._norms_of(slice(0, self._count))

    def hold(self, start: int, values: Tensor) -> None:
        """Hold the values of some samples, the first of which is number ``start`` of those held."""
        target = slice(self._count + start, self._count + start + len(values))
        self._sketch.values[target] = 0.0
        self._sketch.add(target.start, values)

    def block(self, samples: slice, origin: int) -> AnchorBlock:
        """Return the distances of held samples to the anchors; the first held one is ``origin``."""
        held = slice(*(self._count + end - origin for end in (samples.start, samples.stop)))
        norms = self._norms_of(held)
        parts = self._products(held)
        own, places = self._own(samples)
        for part, one, other in zip(parts, norms, self._norms, strict=True):
            part.mul_(-2.0).add_(one[:, None] + other).clamp_(min=0.0)
            part[own, places] = 0.0
        whole = parts[0] if len(parts) == 1 else (parts[0] + parts[1]).mul_(0.5)
        halves = () if len(parts) == 1 else tuple(parts)
        norm = sum(norms[1:], norms[0]) / len(norms)
        return AnchorBlock(self._layer, samples, whole, halves, norm, self._variance)

    def _own(self, samples: slice) -> tuple[Tensor, Tensor]:
        """Return which of some samples are anchors, and which ones: their distance is 0."""
        first, last = places_in(self._rows, samples.start, samples.stop - samples.start)
        places = torch.arange(first, last, dtype=torch.int64, device=self._rows.numbers.device)
        return self._rows.numbers[places] - samples.start, places

    def _pieces(self, rows: slice) -> Iterator[tuple[int, Tensor, slice]]:
        """Yield which half of the sketch, centred float64 values of columns, and which columns."""
        columns = self._sketch.values.shape[1]
        width = columns if self._sketch.is_exact else columns // 2
        step = columns_per_chunk(max(self._count, BLOCK))
        for half in range(columns // max(width, 1)):
            for start in range(half * width, (half + 1) * width, step):
                part = slice(start, min(start + step, (half + 1) * width))
                yield half, self._centred(rows, part), part

    def _centred(self, rows: slice, columns: slice) -> Tensor:
        return self._sketch.values[rows, columns].to(torch.float64) - self._centre[columns]

    def _norms_of(self, rows: slice) -> tuple[Tensor, ...]:
        """Return (rows,) squared distances from the centre, for each half of the sketch."""
        found: dict[int, Tensor] = {}
        for half, values, _ in self._pieces(rows):
            squares = values.square().sum(1)
            found[half] = found[half] + squares if half in found else squares
        return tuple(found.values())

    def _products(self, rows: slice) -> list[Tensor]:
        """Return (rows, n) inner products with the anchors, for each half of the sketch."""
        found: dict[int, Tensor] = {}
        for half, values, columns in self._pieces(rows):
            anchors = self._centred(slice(0, self._count), columns)
            if half in found:
                found[half].addmm_(values, anchors.T)
            else:
                found[half] = values @ anchors.T
        return list(found.values())


class _Moments:
    """Mean and variance of a layer's units over all samples, in float64."""

    def __init__(self, units: int, device: torch.device) -> None:
        self._first = torch.zeros(units, dtype=torch.float64, device=device)
        self._sum = torch.zeros_like(self._first)
        self._count = self._sum.new_zeros(())
        self._squares = self._sum.new_zeros(())

    def refer(self, values: Tensor) -> None:
        """Take values relative to these (units,): what all share then costs no precision."""
        self._first.copy_(values)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return [self._sum, self._count, self._squares]

    def add(self, values: Tensor) -> None:
        """Add the (rows, units) values of some samples."""
        self._count += len(values)
        step = columns_per_chunk(len(values))
        for start in range(0, values.shape[1], step):
            columns = slice(start, start + step)
            less = values[:, columns].to(torch.float64) - self._first[columns]
            self._sum[columns] += less.sum(0)
            self._squares += less.square().sum()

    def result(self) -> tuple[Tensor, float]:
        """Return the (units,) mean, and the sum over units of the variance."""
        shift = self._sum / self._count
        variance = float(self._squares / self._count - shift.square().sum())
        return self._first + shift, max(0.0, variance)
