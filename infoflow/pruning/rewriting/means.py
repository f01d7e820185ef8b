"""Means over samples of the values that stand for streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from infoflow.capture.batches import Batch, Samples
from infoflow.graph import LayerGraph
from infoflow.graph.running.pytree import first_tensor
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.interface import PruningError
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.choice import Removal
from infoflow.pruning.rewriting.remove import values_replaced
from infoflow.pruning.rewriting.surgery import Surgery


def means_of(
    graph: LayerGraph, chosen: Sequence[Removal], data: Iterable[Any]
) -> dict[fx.Node, Tensor]:
    """Return the mean over samples of every value that will be replaced."""
    assert graph.source.example is not None
    nodes = set(values_replaced(Surgery(graph, graph.source.example), chosen))
    sums: dict[fx.Node, Tensor] = {}
    kinds: dict[fx.Node, torch.dtype] = {}
    model = graph.program.model
    count = 0
    with undisturbed(model, data, None) as place:
        for batch in Samples(data, model=model, device=place).batches():
            count += batch.size
            for node, tensor in _values(graph, nodes, batch):
                kinds[node] = tensor.dtype
                total = tensor.double().sum(0, keepdim=True)
                sums[node] = sums[node] + total if node in sums else total
    if not all(bool(total.isfinite().all()) for total in sums.values()):
        raise PruningError(
            "mode='mean' needs finite values, but over data= some are NaN or infinite. Check data= "
            "and the weights, or use mode='zero'."
        )
    return {node: (total / count).to(kinds[node]) for node, total in sums.items()}


def _values(graph: LayerGraph, nodes: set[fx.Node], batch: Batch) -> list[tuple[fx.Node, Tensor]]:
    """Return the values of nodes for a batch, with a row for each sample."""
    try:
        run = [(n, first_tensor(v)) for n, v in graph.program.run(batch.call) if n in nodes]
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        raise PruningError(
            f"mode='mean' runs {graph.model} over data=, where it stops ({error}); expected "
            "input like the example. Check data=, or use mode='zero'."
        ) from error
    found = [(node, tensor) for node, tensor in run if tensor is not None]
    for _, tensor in found:
        if tensor.shape[:1] != (batch.size,):
            raise PruningError(
                f"mode='mean' needs values with a row per sample, got {tuple(tensor.shape)} for "
                f"{batch.size} samples. Use mode='zero'."
            )
    return found
