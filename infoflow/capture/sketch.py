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

from infoflow.capture.batch_parts import parts_of
from infoflow.capture.batches import Batch, Samples
from infoflow.capture.flat_rows import flat_rows, not_finite
from infoflow.estimators.distances import DistanceRows, squared_distances
from infoflow.graph import LayerGraph
from infoflow.interface import Layer

#: Columns of a sketch: two independent halves.
SKETCH_SIZE = 4096
#: Values that are folded at a time: 2 MB of float32 stay near the processor.
_TILE = 2**19


def half_width(size: int) -> int:
    """Return the columns of each half of a sketch of at least ``size`` columns.

    An odd number, 8 % more than half of ``size``. A map of 2^n units is then no near multiple of
    it, and units at the same position of different maps, which vary together, seldom meet in one
    column.

    Examples
    --------
    >>> half_width(4096), 128**2 / half_width(4096)
    (2213, 7.4035...)
    """
    return round(size * 0.5403) | 1


def columns_of(layer: Layer, size: int) -> int:
    """Return the columns of a layer's sketch."""
    return layer.units if layer.units <= size else 2 * half_width(size)


class Sketch:
    """Sketches of one layer's values, batch by batch.

    Units are laid out in rows as long as half of the sketch is wide, and the columns of these are
    added up. Every unit has a random sign, and every row a random one more in the second half: the
    errors of the halves are uncorrelated. Values are taken relative to those of :meth:`refer`, or
    of the first sample, so that what all samples share does not cost precision. A layer with no
    more units than ``size`` is kept as it is, but for signs.

    Parameters
    ----------
    units
        Units of the layer.
    samples
        Number of samples.
    size
        Columns at least, an even number; see :func:`half_width`.
    seed
        Of the signs.
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
        self._width = units if self.is_exact else half_width(size)
        columns = units if self.is_exact else 2 * self._width
        self.values = torch.zeros(samples, columns, dtype=dtype, device=device)
        generator = torch.Generator().manual_seed(seed)
        signs = (
            torch.randint(0, 2, (units,), generator=generator, dtype=torch.int8, device="cpu") * 2
            - 1
        )
        self._signs = signs.to(device=device, dtype=dtype)
        rows = -(-units // self._width)
        turned = torch.randperm(rows, generator=generator, device="cpu") % 2 * -2 + 1
        self._halves = torch.stack(
            [torch.ones(rows, dtype=torch.float32, device="cpu"), turned]
        ).to(device=device, dtype=dtype)
        self._reference: Tensor | None = None

    def refer(self, values: Tensor) -> None:
        """Take values relative to these (units,) ones; sketches to be added up need the same."""
        self._reference = values.to(self.values.dtype) * -self._signs

    def add(self, start: int, values: Tensor) -> None:
        """Sketch the (rows, units) values of the samples from ``start`` on."""
        values = values.to(self.values.dtype)
        if self._reference is None:
            self.refer(values[0])
        assert self._reference is not None
        target = self.values[start : start + len(values)]
        if self.is_exact:
            torch.addcmul(self._reference, values, self._signs, out=target)
            return
        sums = target.view(len(values), 2, self._width)
        step = max(1, _TILE // (len(values) * self._width)) * self._width
        pieces = (whole.split(step, dim=-1) for whole in (values, self._signs, self._reference))
        for number, (block, signs, reference) in enumerate(zip(*pieces, strict=True)):
            self._fold(sums, torch.addcmul(reference, block, signs), number * step // self._width)

    def _fold(self, sums: Tensor, signed: Tensor, first: int) -> None:
        """Add up rows of units, from number ``first`` on, for each half with signs of its own."""
        rows, left = divmod(signed.shape[1], self._width)
        if rows:
            whole = signed[:, : rows * self._width].unflatten(1, (rows, self._width))
            signs = self._halves[:, first : first + rows]
            sums.baddbmm_(signs.expand(len(signed), -1, -1), whole)
        if left:
            rest = signed[:, None, rows * self._width :]
            sums[:, :, :left].addcmul_(self._halves[:, first + rows, None], rest)

    def parts(self) -> tuple[Tensor, ...]:
        """Return (samples, columns) values whose distances are those of the layer.

        The whole sketch, and, where it is not exact, each of its halves.
        """
        if self.is_exact:
            return (self.values,)
        return (self.values * 0.5**0.5, *self.halves())

    def halves(self) -> tuple[Tensor, ...]:
        """Return (samples, columns) values of each half; none where the sketch is exact."""
        return () if self.is_exact else self.values.chunk(2, dim=1)

    def distances(self) -> tuple[Tensor, ...]:
        """Return the (samples, samples) distances of :meth:`parts`.

        Those of the whole are the mean of those of the halves.
        """
        if self.is_exact:
            return (squared_distances(self.values),)
        first, second = (squared_distances(half) for half in self.halves())
        return ((first + second).mul_(0.5), first, second)


@dataclass(frozen=True)
class Gathered:
    """A layer with its statistic; with variants of it where that is not exact.

    Of a sketch they are its halves, and of products in float32 what rounding may make of them.
    """

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
                device=samples.home,
            )
            for layer in part
        }
        for batch in samples.batches():
            is_own = samples.is_own(batch)
            for piece in parts_of(graph, batch) if is_own or batch.start == 0 else ():
                graph.visit(piece.call, part, _adder(sketches, piece, is_own))
            step()
        samples.add_up("sketches", [sketches[layer.name].values for layer in part])
        for layer in part:
            sketch = sketches.pop(layer.name)
            whole, *halves = (
                sketch.distances()
                if block_rows is None
                else [DistanceRows(values, block_rows) for values in sketch.parts()]
            )
            yield Gathered(layer, whole, tuple(halves))


def _adder(
    sketches: dict[str, Sketch], batch: Batch, is_own: bool
) -> Callable[[Layer, Tensor], None]:
    """Return what sketches a batch; of another process's first batch, what all are relative to."""

    def add(layer: Layer, value: Tensor) -> None:
        flat = flat_rows(layer, value, batch.size)
        sketch = sketches[layer.name]
        if batch.start == 0:
            sketch.refer(flat[0])
        if not is_own:
            return
        sketch.add(batch.start, flat)
        # what is not finite stays so in sums, and those of a sketch have fewer terms
        if not bool(torch.isfinite(sketch.values[batch.start : batch.start + batch.size].sum())):
            raise not_finite(layer, flat)

    return add


def plan_sketches(
    layers: Sequence[Layer], samples: int, size: int, budget: int, bytes_per_value: int
) -> list[list[Layer]]:
    """Divide layers over as few passes as the budget allows; one layer at least in each."""
    passes: list[list[Layer]] = []
    room = 0
    for layer in layers:
        # the sketch, a copy of it for the products, and the signs with the first sample
        needed = 2 * samples * columns_of(layer, size) * bytes_per_value + 12 * layer.units
        if needed > room or not passes:
            passes.append([])
            room = budget
        passes[-1].append(layer)
        room -= needed
    return passes
