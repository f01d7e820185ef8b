"""Dropping a stream from an operation that adds or multiplies streams."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

from infoflow.graph.drafts import LayerDraft
from infoflow.graph.tracing.operations import operation_name
from infoflow.pruning.rewriting.workpiece import CannotCutError, Workpiece

_ADDING = {"add", "sub"}
_MULTIPLYING = {"mul", "div"}


def neutral(kind: str) -> Callable[..., torch.Tensor]:
    """Return what stands for a stream that is not there: zeros, or ones where it multiplies."""
    return torch.ones_like if kind in _MULTIPLYING else torch.zeros_like


def drop_operand(work: Workpiece, draft: LayerDraft, sources: frozenset[str]) -> None:
    """Let the other operand of a sum or a product take the place of its result.

    Raises
    ------
    CannotCutError
        If the operation is no sum or product of two values, or the other one has another shape.
    """
    node = work.new(draft.node)
    dropped, kept = _operands(work, node, sources)
    if work.shapes[kept] != work.shapes[node]:
        raise CannotCutError(
            f"without the stream, {draft.name} would have the shape {work.shapes[kept]}, "
            f"not {work.shapes[node]}"
        )
    if operation_name(node) in ("sub", "div") and node.args[0] is dropped:
        raise CannotCutError(f"the stream is what {draft.name} subtracts from, or divides")
    node.replace_all_uses_with(kept)
    work.promoted = [*(kept if n is node else n for n in work.promoted), kept]


def _operands(work: Workpiece, node: fx.Node, sources: frozenset[str]) -> tuple[fx.Node, fx.Node]:
    """Return the operand that goes, and the one that stays."""
    name = operation_name(node)
    if node.op == "call_module" or name not in _ADDING | _MULTIPLYING:
        raise CannotCutError(f"{name} is no sum or product of streams")
    if node.kwargs.get("alpha", 1) != 1 or node.kwargs.get("rounding_mode") or len(node.args) != 2:
        raise CannotCutError(f"{name} has options of its own")
    pair = [n for n in node.args if isinstance(n, fx.Node) and n in work.flows]
    if len(pair) != 2:
        raise CannotCutError(f"{name} has no two operands that are streams")
    gone = [n for n in pair if sources.issuperset(work.flows[n].sources)]
    stays = [n for n in pair if sources.isdisjoint(work.flows[n].sources)]
    if len(gone) != 1 or len(stays) != 1:
        raise CannotCutError("an operand is a concatenation of this and other streams")
    return gone[0], stays[0]
