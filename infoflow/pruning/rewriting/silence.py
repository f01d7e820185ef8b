"""Replacing a stream by zeros, ones or its mean, where its readers keep their shape."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx

from infoflow.graph.builders import LayerBuilder
from infoflow.graph.operations.lookup import operation_name, works_in_place
from infoflow.interface import PruningError
from infoflow.pruning.choice import Removal
from infoflow.pruning.rewriting.surgery import Surgery

#: Makes, from the node of a stream's value, the node of what replaces it.
Replace = Callable[[fx.Node], fx.Node]


def silence(work: Surgery, removal: Removal, replace: Replace) -> None:
    """Put something else in the place of streams where they enter a merge, and nowhere else.

    Raises
    ------
    PruningError
        If the merge overwrites values that others need.
    """
    node = work.new(removal.draft.node)
    copies: dict[fx.Node, fx.Node] = {}
    if isinstance(removal.draft, LayerBuilder):
        for value in node.all_input_nodes:
            node.replace_input_with(value, _without(work, value, removal.sources, replace, copies))
        return
    users = list(node.users)
    whole = _without(work, node, removal.sources, replace, copies)
    for user in users:
        if not _reads_a_part(work, user, node):
            _redirect(work, user, node, whole)


def _redirect(work: Surgery, user: fx.Node, old: fx.Node, new: fx.Node) -> None:
    """Let a user read another value; of a split into parts only what takes all streams of one."""
    parts = [one for one in user.users if _reads_a_part(work, one, user)]
    if not parts:
        user.replace_input_with(old, new)
        return
    with work.nodes.inserting_before(user.next):
        copy = work.copy(user, lambda n: new if n is old else n)
    for one in list(user.users):
        if one not in parts:
            _redirect(work, one, user, copy)


def _reads_a_part(work: Surgery, user: fx.Node, value: fx.Node) -> bool:
    """Tell whether a node takes some streams of a bundle for another reader than the bundle's."""
    if user.op == "output" or work.is_layer(user):
        return False
    if user not in work.flows or value not in work.flows:
        return False  # zeros that stand for a stream ask for a shape only
    return work.flows[user].bundle is not work.flows[value].bundle


def _without(
    work: Surgery,
    value: fx.Node,
    sources: frozenset[str],
    replace: Replace,
    copies: dict[fx.Node, fx.Node],
) -> fx.Node:
    """Return a value of which the streams from ``sources`` are replaced."""
    flow = work.flows.get(value)
    if flow is None or sources.isdisjoint(flow.sources):
        return value
    if value not in copies:
        with work.nodes.inserting_before(value.next):
            if sources.issuperset(flow.sources):
                copies[value] = replace(value)
                return copies[value]
        inputs = {n: _without(work, n, sources, replace, copies) for n in value.all_input_nodes}
        if works_in_place(value, work.module(value)) and len(value.users) > 1:
            raise PruningError(
                f"{operation_name(value)} writes several streams into one tensor, of which other "
                f"layers read, too. Streams {', '.join(sorted(sources))} cannot be replaced there."
            )
        with work.nodes.inserting_before(value.next):
            copies[value] = work.copy(value, lambda n: inputs.get(n, n))
    return copies[value]
