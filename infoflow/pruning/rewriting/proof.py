"""Comparing a pruned net with the original, of which the streams are zeroed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from infoflow.graph import LayerGraph
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.comparison import are_close
from infoflow.graph.running.model_state import countable_attention, evaluation_mode
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.random_state import seeded
from infoflow.graph.tracing.variations import random_like, with_another
from infoflow.interface import PruningError
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.choice import Removal
from infoflow.pruning.report import Removed
from infoflow.pruning.rewriting.build import share
from infoflow.pruning.rewriting.remove import reference, silence_all
from infoflow.pruning.rewriting.surgery import Shapes, Surgery


class MismatchError(PruningError):
    """A pruned net does not do what the original does without the streams."""


def compare(
    slim: nn.Module,
    graph: LayerGraph,
    shapes: Shapes,
    removals: Sequence[Removal],
    removed: Sequence[Removed],
    means: Mapping[fx.Node, Tensor] | None = None,
) -> tuple[str, ...]:
    """Return on what a pruned net agrees with the original without the streams.

    Raises
    ------
    MismatchError
        If it does not.
    """
    call = graph.source.example
    assert call is not None
    work = Surgery(graph, call, shapes)
    reference(work, removals, removed, means)
    whole = share(work)
    trials = {"the example": call}
    if graph.verification.label == "exact":
        fresh = random_like(call)
        trials["new input"] = fresh
        trials[f"a batch of {call.samples + 1}"] = with_another(call, fresh)[0]
    for name, trial in trials.items():
        wanted = _run(whole, trial)
        try:
            got = _run(slim, trial)
        except Exception as error:  # whatever it is, the net is not as it should be
            if is_out_of_memory(error):
                raise
            raise MismatchError(
                f"On {name}, the pruned net stops with {type(error).__name__} ({error}). Use "
                "mode='zero', and please report this model."
            ) from error
        if not are_close(got, wanted):
            raise MismatchError(
                f"On {name}, the pruned net does not give what {graph.model} gives without the "
                "streams, so it was not made. Use mode='zero', and please report this model."
            )
    return tuple(trials)


def constants_gone(
    slim: nn.Module, graph: LayerGraph, shapes: Shapes, removals: Sequence[Removal]
) -> str:
    """Say whether zeros in the merges themselves would have given something else.

    Between a concatenation and the layers that read it, a norm or a bias makes constants of zeros,
    and a cut takes them out, too.
    """
    call = graph.source.example
    assert call is not None
    work = Surgery(graph, call, shapes)
    silence_all(work, removals)
    zeroed = _run(share(work), call)
    if are_close(_run(slim, call), zeroed):
        return ""
    return (
        "a stream set to zero at its merge would leave constants there, made by norms or biases "
        "on the way to the layers that read it; these are gone, too"
    )


def _run(net: nn.Module, call: Arguments) -> list[Tensor]:
    with evaluation_mode(net), torch.no_grad(), countable_attention(), seeded():
        return tensors_in(call.of(net))
