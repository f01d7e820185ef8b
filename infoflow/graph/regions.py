"""Activations and norms that a model writes out by hand, such as ``h * sigmoid(h)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import networkx as nx
from torch import fx

from infoflow.graph.tracing.node_info import NodeInfo

_END = "(read by others)"


def last_of_region(
    value: fx.Node, facts: Mapping[fx.Node, NodeInfo], belongs: Callable[[fx.Node], bool]
) -> list[fx.Node]:
    """Return the nodes by which a layer's value goes on, up to where it is next read by others.

    Parameters
    ----------
    value
        The node of a layer's value.
    facts
        What is known of the nodes.
    belongs
        Whether a node may be part of an activation or norm of this layer alone.

    Returns
    -------
    list of Node
        In the order of computation; the last has the shape of ``value``, and every way from
        ``value`` to another reader leads through it. Empty where there is no such node.
    """
    if not any(map(belongs, _readers(value, facts))):
        return []
    graph = _region(value, facts, belongs)
    if _END not in graph:
        return []
    exits = nx.immediate_dominators(graph.reverse(copy=False), _END)
    last, best = exits.get(value, _END), None
    while last != _END:
        if facts[last].shape == facts[value].shape:
            best = last
        last = exits[last]
    if best is None:
        return []
    between = (nx.descendants(graph, value) & nx.ancestors(graph, best)) | {best}
    return [node for node in nx.topological_sort(graph) if node in between]


def _readers(node: fx.Node, facts: Mapping[fx.Node, NodeInfo]) -> list[fx.Node]:
    return [user for user in node.users if user.op == "output" or facts[user].carries_tensor]


def _region(
    value: fx.Node, facts: Mapping[fx.Node, NodeInfo], belongs: Callable[[fx.Node], bool]
) -> nx.DiGraph:
    graph = nx.DiGraph()
    waiting = [value]
    while waiting:
        node = waiting.pop(0)
        for user in _readers(node, facts):
            inside = belongs(user)
            if inside and user not in graph:
                waiting.append(user)
            graph.add_edge(node, user if inside else _END)
    return graph
