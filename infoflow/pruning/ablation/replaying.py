"""A graph whose program stands for the model on every held-out sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.checks import output_of
from infoflow.graph.running.comparison import are_close
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import InfoflowError, PruningError
from infoflow.pruning.ablation.heldout import HeldOut


def replayable(
    model: nn.Module, parts: HeldOut, tracing: TracingOptions
) -> tuple[LayerGraph, HeldOut]:
    """Return the graph of a model, and its held-out samples as the graph's program can take them.

    Parameters
    ----------
    model
        The net, in evaluation mode.
    parts
        Its samples.
    tracing
        Which modules to keep whole or to open.

    Returns
    -------
    (LayerGraph, HeldOut)
        Where the recording stands for any input, the samples as they are. Else the program is
        compared with the model on every sample that chooses or judges, in the loader's batches, and
        where these differ one by one.

    Raises
    ------
    PruningError
        If the program differs from the model on one of the samples.
    """
    example = parts.samples.example().call
    graph = trace(model, example, **vars(tracing))
    label = graph.verification.label
    if label == "exact":
        return graph, parts
    if label == "this input only" and _agrees(graph, parts):
        return graph, parts.with_note(_same_path(parts))
    alone = _traced_alone(model, example, tracing)
    singles = replace(parts, one_by_one=True)
    if alone is None or not _agrees(alone, singles):
        raise PruningError(
            f"{graph.model} cannot be ablated, since its recording stands for {label}, and gives "
            "something else than the model on the held-out samples, in batches and one by one; "
            f"expected the same. {graph.verification}"
        )
    note = "samples run one by one, since a replay takes one number of samples only"
    singles = singles.with_note(f"{note} ({label}); this takes longer than batches")
    return alone, singles if label != "this input only" else singles.with_note(_same_path(parts))


def _same_path(parts: HeldOut) -> str:
    return (
        "the path through the net depends on the values of its input; it was the same for all "
        f"{len(parts.measured)} samples that choose or judge. infoflow.prune refuses such a net"
    )


def _traced_alone(
    model: nn.Module, example: Arguments, tracing: TracingOptions
) -> LayerGraph | None:
    try:
        return trace(model, example.select(slice(0, 1)), **vars(tracing))
    except InfoflowError:
        return None  # it takes no single sample


def _agrees(graph: LayerGraph, parts: HeldOut) -> bool:
    """Tell whether the program gives what the model gives on all samples that choose or judge."""
    for batch in parts.batches(parts.measured):
        output, replayed = output_of(graph.source.model, batch.call), _replayed(graph, batch.call)
        if replayed is None or not are_close(tensors_in(replayed), tensors_in(output)):
            return False
    return True


def _replayed(graph: LayerGraph, call: Arguments) -> Any:
    """Return what the program gives; None where it stops, as another number of samples may do."""
    last: Any = None
    try:
        for pair in graph.program.run(call):
            last = pair[1]
    except (RuntimeError, ValueError, TypeError, IndexError):
        return None
    return last
