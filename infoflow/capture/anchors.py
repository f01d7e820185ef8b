"""Distances of some samples, the anchors, to all: two passes over a loader, and no N×N matrix.

The first pass keeps the anchors of every layer, or sketches of them, and how much the layer varies.
The second one gives the distances of all samples to the anchors in blocks, which are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from infoflow.capture.batch_parts import parts_of
from infoflow.capture.batches import Batch, Samples
from infoflow.capture.flat_rows import flat_rows, not_finite
from infoflow.capture.layer_anchors import BLOCK, AnchorBlock, LayerAnchors, places_in
from infoflow.estimators.rows import Rows
from infoflow.graph import LayerGraph
from infoflow.interface import Layer


def anchor_blocks(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    rows: Rows,
    *,
    size: int,
    dtype: torch.dtype,
    with_variance: bool,
    step: Callable[[], object] = lambda: None,
) -> Iterator[AnchorBlock]:
    """Yield the distances of all samples to the anchors in two passes, block by block.

    All layers of a block of samples come before the next block.

    Parameters
    ----------
    graph, samples, layers
        A traced graph, the samples, and the layers to measure, in the order of computation.
    rows
        Which samples are anchors.
    size
        Columns of a sketch; layers with no more units are exact.
    dtype
        In which values are kept.
    with_variance
        Whether the variance of the layers is wanted.
    step
        Called after every batch.

    Raises
    ------
    ActivationError
        If a layer's value is not finite; names the layer.
    """
    kept = {
        layer.name: LayerAnchors(layer, rows, size, dtype, samples.home, with_variance)
        for layer in layers
    }
    largest = BLOCK
    for batch in samples.batches():
        largest = max(largest, batch.size)
        for part in parts_of(graph, batch):
            gives = [LayerAnchors.refer] if part.start == 0 else []
            if samples.is_own(batch) and (with_variance or _has_rows(rows, part)):
                gives.append(LayerAnchors.take)
            if gives:
                graph.visit(part.call, layers, _Visit(kept, part, gives))
        step()
    samples.add_up("anchors", [one for anchors in kept.values() for one in anchors.sums()])
    for anchors in kept.values():
        anchors.end_first_pass(largest)
    start = stop = 0
    for batch in samples.batches():
        if not samples.is_own(batch):
            step()
            continue
        if start == stop:
            start = stop = batch.start
        if stop - start + batch.size > largest:
            yield from _blocks(kept, start, stop)
            start = stop
        for part in parts_of(graph, batch):
            graph.visit(part.call, layers, _Visit(kept, part, [LayerAnchors.hold], start))
        stop = batch.start + batch.size
        step()
    yield from _blocks(kept, start, stop)


class _Visit:
    """Gives each layer's values of a batch to what keeps them."""

    def __init__(
        self,
        kept: dict[str, LayerAnchors],
        batch: Batch,
        gives: Sequence[Callable[[LayerAnchors, int, Tensor], None]],
        origin: int = 0,
    ) -> None:
        self._kept, self._batch, self._gives, self._origin = kept, batch, gives, origin

    def __call__(self, layer: Layer, value: Tensor) -> None:
        flat = flat_rows(layer, value, self._batch.size)
        if not bool(torch.isfinite(flat).all()):
            raise not_finite(layer, flat)
        for give in self._gives:
            give(self._kept[layer.name], self._batch.start - self._origin, flat)


def _has_rows(rows: Rows, batch: Batch) -> bool:
    first, last = places_in(rows, batch.start, batch.size)
    return last > first


def _blocks(kept: dict[str, LayerAnchors], start: int, stop: int) -> Iterator[AnchorBlock]:
    # a process without samples has one empty block, which tells what would be in it
    for first in range(start, max(stop, start + 1), BLOCK):
        samples = slice(first, min(first + BLOCK, stop))
        for anchors in kept.values():
            yield anchors.block(samples, start)
