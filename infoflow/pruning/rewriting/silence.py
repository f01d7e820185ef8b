"""Replacing a stream by zeros, ones or its mean, where its readers keep their shape."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx

from infoflow.graph.drafts import LayerDraft
from infoflow.graph.tracing.operations import operation_name
from infoflow.interface import PruningError
from infoflow.pruning.choice import Removal
from infoflow.pruning.rewriting.in_place import works_in_place
from infoflow.pruning.rewriting.workpiece import Workpiece

#: Makes, from the node of a stream's value, the node of what replaces it.
Replace = Callable[[fx.Node], fx.Node]


def silence(work: Workpiece, removal: Removal, replace: Replace) -> None:
    """Put something else in the place of streams where they enter a merge, and nowhere else.

    Raises
    ------
    PruningError
        If the merge overwrites values that others need.
    """
    node = work.new(removal.draft.node)
    copies: dict[fx.Node, fx.Node] = {}
    if isinstance(removal.draft, LayerDraft):
        for value in node.all_input_nodes:
            node.replace_input_with(value, _without(work, value, removal.sources, replace, copies))
        return
    users = list(node.users)
    whole = _without(work, node, removal.sources, replace, copies)
    bundle = work.flows[node].bundle
    for user in users:
        is_other = user.op != "output" and user in work.flows
        is_other = is_other and operation_name(user) in ("concat", "stack")
        if not (is_other and work.flows[user].bundle is not bundle):
            user.replace_input_with(node, whole)


def _without(
    work: Workpiece,
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
