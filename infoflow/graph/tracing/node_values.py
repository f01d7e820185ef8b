"""Values of nodes while a program runs: arguments made of them, and how long they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import fx


def with_values(argument: Any, values: Mapping[fx.Node, Any]) -> Any:
    """Return an argument of a node with values for nodes, and lists that may be changed.

    Examples
    --------
    >>> node = fx.Graph().placeholder("x")
    >>> with_values([node, (1, {"more": slice(node, None)})], {node: 5})
    [5, (1, {'more': slice(5, None, None)})]
    """
    if isinstance(argument, fx.Node):
        return values[argument]
    if isinstance(argument, list):
        return [with_values(part, values) for part in argument]
    if isinstance(argument, tuple):
        parts = (with_values(part, values) for part in argument)
        return type(argument)(*parts) if hasattr(argument, "_fields") else tuple(parts)
    if isinstance(argument, dict):
        return {name: with_values(part, values) for name, part in argument.items()}
    if isinstance(argument, slice):
        ends = (argument.start, argument.stop, argument.step)
        return slice(*(with_values(end, values) for end in ends))
    return argument


def last_reads(nodes: Sequence[fx.Node]) -> dict[fx.Node, list[fx.Node]]:
    """Return, for each node, the values that no later node reads."""
    found: dict[fx.Node, list[fx.Node]] = {}
    seen: set[fx.Node] = set()
    for node in reversed(nodes):
        for value in (node, *node.all_input_nodes):
            if value not in seen:
                seen.add(value)
                found.setdefault(node, []).append(value)
    return found
