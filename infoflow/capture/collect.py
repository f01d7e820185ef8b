"""Exact statistics of every layer, in as many passes as the memory budget asks for.

Gram matrices add up over slices of a layer's units, so a pass keeps only as many columns as the
budget holds, for all samples, and drops them when their products are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from infoflow.capture.batch_parts import parts_of
from infoflow.capture.batches import Batch, Samples
from infoflow.capture.budget import ColumnSlice, plan_passes, plan_whole_layers
from infoflow.capture.flat_rows import flat_rows, not_finite
from infoflow.estimators.products import Products
from infoflow.estimators.statistics import Distances
from infoflow.graph import LayerGraph
from infoflow.graph.running.members import parameters_in
from infoflow.interface import Collector, Layer, Statistic

Step = Callable[[], object]


def collect(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    statistic: Statistic,
    *,
    budget: int,
    step: Step = lambda: None,
) -> Iterator[tuple[Layer, Tensor]]:
    """Yield each layer with its statistic over all samples.

    Parameters
    ----------
    graph
        A traced graph; its model is in evaluation mode, on the device of ``samples``.
    samples
        The samples, as often as they are needed.
    layers
        The layers to measure, in the order of computation.
    statistic
        What to collect of each.
    budget
        Bytes that may be used above the model's own.
    step
        Called after every batch.

    Raises
    ------
    ActivationError
        If a layer's value is not finite; names the layer.
    MemoryBudgetError
        If the budget does not hold one column.
    """
    if isinstance(statistic, Distances):
        added = add_up_products(graph, samples, layers, Products, budget=budget, step=step)
        return ((layer, products.distances()[0]) for layer, products in added)
    return _by_collectors(graph, samples, layers, statistic, budget, step)


def value_dtype(graph: LayerGraph) -> torch.dtype:
    """Return the dtype in which a graph's values are kept: float64 for models in float64."""
    kinds = {parameter.dtype for parameter in parameters_in(graph.source.model)}
    return torch.float64 if kinds & {torch.float64, torch.complex128} else torch.float32


def add_up_products(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    make: Callable[[int, torch.device], Products],
    *,
    budget: int,
    step: Step = lambda: None,
) -> Iterator[tuple[Layer, Products]]:
    """Yield each layer with the inner products of all samples; see :func:`collect`."""
    dtype = value_dtype(graph)
    passes = plan_passes(layers, samples.count, budget, dtype.itemsize)
    columns = max(sum(piece.width for piece in slices) for slices in passes)
    arena = torch.empty(columns * samples.count, dtype=dtype, device=samples.home)
    products: Products | None = None
    for slices in passes:
        values = _collect_columns(graph, samples, slices, arena, step)
        samples.add_up("values", [arena])
        for piece, columns_of_piece in zip(slices, values, strict=True):
            if products is None:
                products = make(samples.count, samples.home)
            own = columns_of_piece.tensor_split(samples.ranks.number, dim=1)[samples.ranks.mine]
            products.add(own)
            if not bool(torch.isfinite(products.gram.diagonal()).all()):
                raise not_finite(piece.layer, columns_of_piece)
            if piece.is_last:
                samples.add_up("products", products.sums)
                yield piece.layer, products
                products = None


def _by_collectors(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    statistic: Statistic,
    budget: int,
    step: Step,
) -> Iterator[tuple[Layer, Any]]:
    dtype = value_dtype(graph)
    for wanted in plan_whole_layers(layers, samples.count, statistic, budget, dtype.itemsize):
        collectors = {
            layer.name: statistic.collector(
                layer.units, samples.count, dtype=dtype, device=samples.home
            )
            for layer in wanted
        }
        for batch in samples.batches():
            for part in parts_of(graph, batch):
                graph.visit(part.call, wanted, partial(_add_to, collectors, part))
            step()
        for layer in wanted:
            yield layer, collectors.pop(layer.name).result()


def _add_to(collectors: Mapping[str, Collector], part: Batch, layer: Layer, value: Tensor) -> None:
    flat = flat_rows(layer, value, part.size)
    if not bool(torch.isfinite(flat).all()):
        raise not_finite(layer, flat)
    collectors[layer.name].add(part.start, flat)


def _collect_columns(
    graph: LayerGraph, samples: Samples, slices: list[ColumnSlice], arena: Tensor, step: Step
) -> list[Tensor]:
    """Fill the arena with the columns of ``slices`` for all samples; return a view of each.

    Those of other processes are zero.
    """
    rows = samples.count
    if samples.ranks.number > 1:
        arena.zero_()
    views = []
    offset = 0
    for piece in slices:
        views.append(arena[offset : offset + rows * piece.width].view(rows, piece.width))
        offset += rows * piece.width
    places = {piece.layer.name: (piece, view) for piece, view in zip(slices, views, strict=True)}
    layers = [piece.layer for piece in slices]

    def keep(part: Batch, layer: Layer, value: Tensor) -> None:
        piece, view = places[layer.name]
        flat = flat_rows(layer, value, part.size)
        view[part.start : part.start + part.size] = flat[:, piece.start : piece.stop]

    for batch in samples.batches():
        for part in parts_of(graph, batch) if samples.is_own(batch) else ():
            graph.visit(part.call, layers, partial(keep, part))
        step()
    return views


def collect_output(graph: LayerGraph, samples: Samples, *, step: Step = lambda: None) -> Tensor:
    """Return the model's own output for all samples, (N, ...), on the CPU."""
    outputs = []
    for batch in samples.batches():
        outputs.append(graph.output(batch.call).float().cpu())
        step()
    return torch.cat(outputs)
