"""Sketches: few numbers per sample that keep the distances between samples.

Every unit is multiplied by a random sign and added to one of the sketch's columns (the count sketch
of M. Charikar, K. Chen and M. Farach-Colton, "Finding frequent items in data streams", ICALP 2002;
as a map that keeps distances: K. Weinberger et al., "Feature hashing for large scale multitask
learning", ICML 2009). A squared distance is kept without bias, and with a relative standard error
of at most √(2/k) for k columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.rows import flat_rows, not_finite
from infoflow.estimators.distances import DistanceRows, squared_distances
from infoflow.graph import LayerGraph
from infoflow.interface import Layer

#: Columns of a sketch: two independent halves.
SKETCH_SIZE = 4096


class Sketch:
    """Sketches of one layer's values, batch by batch.

    Blocks of units are turned by random shifts before they are added up, so that units at the same
    position of different maps seldom meet in one column. Both halves have the signs in common:
    their errors come from other pairs of units, and are uncorrelated. Values are taken relative to
    the first sample, so that what all samples share does not cost precision. A layer with no more
    units than ``size`` is kept as it is, but for signs.

    Parameters
    ----------
    units
        Units of the layer.
    samples
        Number of samples.
    size
        Columns, an even number.
    seed
        Of signs and shifts.
    dtype, device
        Of the sketch.
    """

    def __init__(
        self,
        units: int,
        samples: int,
        *,
        size: int = SKETCH_SIZE,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        self.is_exact = units <= size
        columns = units if self.is_exact else size
        self.values = torch.zeros(samples, columns, dtype=dtype, device=device)
        self._half = size // 2
        generator = torch.Generator().manual_seed(seed)
        signs = torch.randint(0, 2, (units,), generator=generator, dtype=torch.int8) * 2 - 1
        self._signs = signs.to(device=device, dtype=dtype)
        blocks = -(-units // self._half)
        self._shifts = torch.randint(0, self._half, (blocks, 2), generator=generator).tolist()
        self._reference: Tensor | None = None

    def add(self, start: int, values: Tensor) -> None:
        """Sketch the (rows, units) values of the samples from ``start`` on."""
        if self._reference is None:
            self._reference = -values[0] * self._signs
        target = self.values[start : start + len(values)]
        if self.is_exact:
            torch.addcmul(self._reference, values, self._signs, out=target)
            return
        halves = target.chunk(2, dim=1)
        pieces = (
            whole.split(self._half, dim=-1) for whole in (values, self._signs, self._reference)
        )
        for shifts, block, signs, reference in zip(self._shifts, *pieces, strict=True):
            signed = torch.addcmul(reference, block, signs)
            for sums, shift in zip(halves, shifts, strict=True):
                fits = min(signed.shape[1], self._half - shift)
                sums[:, shift : shift + fits] += signed[:, :fits]
                if fits < signed.shape[1]:
                    sums[:, : signed.shape[1] - fits] += signed[:, fits:]

    def parts(self) -> tuple[Tensor, ...]:
        """Return (samples, columns) values whose distances are those of the layer.

        The whole sketch, and, where it is not exact, each of its independent halves.
        """
        if self.is_exact:
            return (self.values,)
        first, second = self.values.chunk(2, dim=1)
        return (self.values * 0.5**0.5, first, second)


@dataclass(frozen=True)
class Gathered:
    """A layer with its statistic; from a sketch, also with that of each half of the sketch."""

    layer: Layer
    statistic: Tensor | DistanceRows
    halves: tuple[Tensor | DistanceRows, ...] = ()


def sketch_layers(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    *,
    size: int,
    budget: int,
    block_rows: int | None,
    dtype: torch.dtype,
    step: Callable[[], object] = lambda: None,
) -> Iterator[Gathered]:
    """Yield each layer with its distances over all samples.

    Parameters
    ----------
    graph, samples, layers
        As for :func:`infoflow.capture.collect.collect`.
    size
        Columns of a sketch.
    budget
        Bytes for the sketches of a pass.
    block_rows
        Rows of distances at a time; None for a whole N×N matrix.
    dtype
        Of the sketches.
    step
        Called after every batch.
    """
    for part in plan_sketches(layers, samples.count, size, budget, dtype.itemsize):
        sketches = {
            layer.name: Sketch(
                layer.units,
                samples.count,
                size=size,
                seed=layer.index,
                dtype=dtype,
                device=samples.device,
            )
            for layer in part
        }
        for batch in samples.batches():
            graph.visit(batch.call, part, _adder(sketches, batch))
            step()
        for layer in part:
            whole, *halves = (
                squared_distances(values)
                if block_rows is None
                else DistanceRows(values, block_rows)
                for values in sketches.pop(layer.name).parts()
            )
            yield Gathered(layer, whole, tuple(halves))


def _adder(sketches: dict[str, Sketch], batch: Batch) -> Callable[[Layer, Tensor], None]:
    def add(layer: Layer, value: Tensor) -> None:
        flat = flat_rows(layer, value, batch.size)
        if not bool(torch.isfinite(flat.sum())):
            raise not_finite(layer, flat)
        sketches[layer.name].add(batch.start, flat)

    return add


def plan_sketches(
    layers: Sequence[Layer], samples: int, size: int, budget: int, bytes_per_value: int
) -> list[list[Layer]]:
    """Divide layers over as few passes as the budget allows; one layer at least in each."""
    passes: list[list[Layer]] = []
    room = 0
    for layer in layers:
        # the sketch, a copy of it for the products, and the signs with the first sample
        needed = 2 * samples * min(layer.units, size) * bytes_per_value + 12 * layer.units
        if needed > room or not passes:
            passes.append([])
            room = budget
        passes[-1].append(layer)
        room -= needed
    return passes
