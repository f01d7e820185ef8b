"""Comparing a pruned net with the original, of which the streams are zeroed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from infoflow.graph import LayerGraph
from infoflow.graph.tracing.call import Call
from infoflow.graph.tracing.facts import countable_attention
from infoflow.graph.tracing.modes import evaluation_mode, seeded
from infoflow.graph.tracing.nesting import tensors_in
from infoflow.graph.tracing.rows import is_close
from infoflow.graph.tracing.variations import random_like, with_another
from infoflow.interface import PruningError
from infoflow.pruning.choice import Removal
from infoflow.pruning.report import Removed
from infoflow.pruning.rewriting.build import share
from infoflow.pruning.rewriting.remove import reference
from infoflow.pruning.rewriting.workpiece import Workpiece


def compare(
    slim: nn.Module, graph: LayerGraph, removals: Sequence[Removal], removed: Sequence[Removed]
) -> tuple[str, ...]:
    """Return on what a pruned net agrees with the original without the streams.

    Raises
    ------
    PruningError
        If it does not.
    """
    call = graph.source.example
    assert call is not None
    work = Workpiece(graph, call)
    reference(work, removals, removed)
    whole = share(work)
    trials = {"the example": call}
    if graph.verification.label == "exact":
        fresh = random_like(call)
        trials["new input"] = fresh
        trials[f"a batch of {call.samples + 1}"] = with_another(call, fresh)[0]
    for name, trial in trials.items():
        got, wanted = _run(slim, slim, trial), _run(whole, graph.program.model, trial)
        if len(got) != len(wanted) or not all(map(is_close, got, wanted)):
            raise PruningError(
                f"On {name}, the pruned net does not give what {graph.model} gives without the "
                "streams, so it was not made. Use mode='zero', and please report this model."
            )
    return tuple(trials)


def _run(net: nn.Module, model: nn.Module, call: Call) -> list[torch.Tensor]:
    with evaluation_mode(net), torch.no_grad(), countable_attention(), seeded():
        return tensors_in(call.of(net))
