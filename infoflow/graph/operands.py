"""Which operand of a sum or a product could go, and take its stream with it."""

from __future__ import annotations

from collections.abc import Mapping, Set

from torch import fx

from infoflow.graph.builders import Flow
from infoflow.graph.operations.lookup import operation_of


def operands(
    node: fx.Node,
    flows: Mapping[fx.Node, Flow],
    shapes: Mapping[fx.Node, tuple[int, ...] | None],
    sources: Set[str],
) -> tuple[fx.Node, fx.Node] | str:
    """Return the operand that goes with streams, and the one that stays; else why none can go.

    Parameters
    ----------
    node
        Where streams meet.
    flows, shapes
        Of its operands.
    sources
        The streams.
    """
    operation = operation_of(node)
    name = operation.name
    if node.op == "call_module" or operation.neutral is None:
        return f"{name} is no sum or product of streams"
    if node.kwargs.get("alpha", 1) != 1 or node.kwargs.get("rounding_mode") or len(node.args) != 2:
        return f"{name} has options of its own"
    pair = [n for n in node.args if isinstance(n, fx.Node) and n in flows]
    if len(pair) != 2:
        return f"{name} has no two operands that are streams"
    gone = [n for n in pair if sources >= set(flows[n].sources)]
    stays = [n for n in pair if sources.isdisjoint(flows[n].sources)]
    if len(gone) != 1 or len(stays) != 1:
        return "an operand is a concatenation of this and other streams"
    if shapes.get(stays[0]) != shapes.get(node):
        left = shapes.get(stays[0])
        return f"without the stream, {name} would have the shape {left}, not {shapes.get(node)}"
    if not operation.commutes and node.args[0] is gone[0]:
        return f"the stream is what {name} subtracts from, or divides"
    return gone[0], stays[0]
