"""Dropping a stream from an operation that adds or multiplies streams."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

from infoflow.graph.builders import LayerBuilder
from infoflow.graph.operands import operands
from infoflow.graph.operations.lookup import operation_of
from infoflow.pruning.rewriting.surgery import CannotCutError, Surgery


def neutral(work: Surgery, node: fx.Node) -> Callable[..., torch.Tensor]:
    """Return what stands for a stream that is not there: zeros, or ones where it multiplies.

    ``node`` is where streams meet, as traced.
    """
    operation = operation_of(node, work.program.module(node))
    return torch.ones_like if operation.neutral == 1 else torch.zeros_like


def drop_operand(work: Surgery, draft: LayerBuilder, sources: frozenset[str]) -> None:
    """Let the other operand of a sum or a product take the place of its result.

    Raises
    ------
    CannotCutError
        If the operation is no sum or product of two values, or the other one has another shape.
    """
    node = work.new(draft.node)
    pair = operands(node, work.flows, work.shapes, sources)
    if isinstance(pair, str):
        raise CannotCutError(pair)
    node.replace_all_uses_with(pair[1])
    work.promoted = [*(pair[1] if n is node else n for n in work.promoted), pair[1]]
