"""The graph that streams are cut from: the one that they know, or a new one from an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from infoflow.capture.batches import Samples
from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.checks import unwrapped
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, PruningError
from infoflow.pruning.choice import StreamNames


def graph_of(
    model: nn.Module,
    streams: object,
    example: Any,
    kwargs: Mapping[str, Any] | None,
    tracing: TracingOptions,
) -> LayerGraph:
    """Return the graph that streams know, or a new one from an example.

    Raises
    ------
    ArgumentError
        If there is neither.
    PruningError
        If the recording cannot be replayed.
    """
    if example is None and kwargs is None:
        known = known_graph(streams, model)
        if known is None:
            raise ArgumentError(
                "prune needs an example of the model's input, got None. Write "
                "infoflow.prune(model, streams, batch), or pass calibrate=."
            )
        graph = known
    else:
        graph = trace(model, example, kwargs, **vars(tracing))
    if graph.verification.label in ("this input only", "not verified"):
        raise PruningError(
            f"{graph.model} cannot be pruned, since its recording cannot be replayed: "
            f"{graph.verification}. Prune a part of it whose path does not depend on its input."
        )
    return graph


def known_graph(streams: object, model: nn.Module) -> LayerGraph | None:
    """Return the graph of this very model that names of streams come with; None for others."""
    graph = streams.graph if isinstance(streams, StreamNames) else None
    return graph if graph is not None and is_graph_of(graph, model) else None


def first_call(model: nn.Module, loader: Iterable[Any] | None) -> Arguments | None:
    """Return two samples of a loader as an example; None without a loader."""
    if loader is None:
        return None
    with undisturbed(model, loader, None) as place:
        return Samples(loader, model=model, device=place).example().call.select(slice(0, 2))


def is_graph_of(graph: LayerGraph, model: nn.Module) -> bool:
    """Tell whether a graph is one of this very model, in or out of its wrappers, with a program."""
    return graph.has_program and graph.source.model is unwrapped(model)[0]
