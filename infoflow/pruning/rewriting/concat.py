"""Cutting streams out of a concatenation: its readers lose those input channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from infoflow.graph.builders import BundleBuilder
from infoflow.graph.bundles import concat_axis
from infoflow.graph.operations.lookup import operation_name
from infoflow.pruning.rewriting.channel_functions import blank_channels, keep_channels
from infoflow.pruning.rewriting.passing import Channels, passage
from infoflow.pruning.rewriting.readers import reading
from infoflow.pruning.rewriting.surgery import CannotCutError, Changes, Surgery


@dataclass
class CutPlan:
    """How a concatenation goes without some of its streams; nothing is changed yet.

    Parameters
    ----------
    node
        The concatenation.
    region
        The concatenation and what only treats its channels one by one, each with the channels that
        stay of its value.
    readers
        The nodes that read the region, with the node there that they read: layers, and questions
        about shapes.
    frontier
        The values that layers read, with their channels.
    changes
        What becomes of parameters and settings.
    arguments
        Arguments of nodes of the region that name a number of channels, as they are to be.
    """

    node: fx.Node
    region: dict[fx.Node, Channels]
    readers: list[tuple[fx.Node, fx.Node]] = field(default_factory=list)
    frontier: dict[fx.Node, Channels] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    arguments: dict[fx.Node, Mapping[int | str, Any]] = field(default_factory=dict)


def plan_cut(work: Surgery, bundle: BundleBuilder, sources: frozenset[str]) -> CutPlan:
    """Follow the channels of streams from a concatenation to all of its readers.

    Raises
    ------
    CannotCutError
        If an operation on the way, or a reader, mixes channels in a way that cannot shrink.
    """
    node = work.new(bundle.node)
    if bundle.kind != "concat" or bundle.axis is None:
        raise CannotCutError(f"streams are put together by {bundle.kind}, which is not cut")
    kept = tuple(
        source not in sources
        for source, width in _segments(work, node, bundle.axis)
        for _ in range(width)
    )
    plan = CutPlan(node, {node: Channels(kept, bundle.axis)})
    waiting = [node]
    while waiting:
        value = waiting.pop(0)
        for user in sorted(value.users, key=work.position):
            if user not in plan.region and not _is_other_merge(work, user, value):
                waiting += _visit(work, plan, user, value)
    _check_one_use(work, plan)
    return plan


def _visit(work: Surgery, plan: CutPlan, user: fx.Node, value: fx.Node) -> list[fx.Node]:
    """Add a user of a value in the region to the plan; return it where it belongs there too."""
    channels = plan.region[value]
    if user.op == "output":
        raise CannotCutError("the model's output reads the concatenation itself")
    if work.shapes[user] is None:
        plan.readers.append((user, value))
        return []
    changes = reading(work, user, value, channels)
    if changes is not None:
        plan.changes.add(changes)
        plan.readers.append((user, value))
        plan.frontier[value] = channels
        return []
    through = passage(work, user, value, channels)
    if through is None:
        what = user.target if user.op == "call_module" else operation_name(user)
        raise CannotCutError(f"{what} reads the channels of all streams together")
    plan.changes.add(through.changes)
    plan.arguments[user] = through.arguments
    plan.region[user] = through.channels
    return [user]


def _is_other_merge(work: Surgery, user: fx.Node, value: fx.Node) -> bool:
    """Tell whether a user puts the value into another bundle, whose streams stay."""
    if operation_name(user) not in ("concat", "stack"):
        return False
    return work.flows[user].bundle is not work.flows[value].bundle


def _check_one_use(work: Surgery, plan: CutPlan) -> None:
    """Raise CannotCutError where weights that shrink also serve another merge."""
    shrinking = {name.rpartition(".")[0] for name in plan.changes.slices}
    for node in plan.region:
        shrinks = node.op == "call_module" and str(node.target) in shrinking
        if shrinks and any(_leaves_whole(work, plan, node)):
            raise CannotCutError(f"another merge reads {node.target} with all of its channels")


def _leaves_whole(work: Surgery, plan: CutPlan, node: fx.Node) -> Iterator[bool]:
    for user in node.users:
        if user in plan.region:
            yield from _leaves_whole(work, plan, user)
        else:
            yield _is_other_merge(work, user, node)


def _segments(work: Surgery, node: fx.Node, axis: int) -> list[tuple[str, int]]:
    """Return from which source the channels of a value come, run by run."""
    flow, shape = work.flows.get(node), work.shapes[node]
    if flow is None or shape is None:
        raise CannotCutError("constants are among what is concatenated")
    if len(flow.sources) == 1:
        return [(flow.sources[0], shape[axis])]
    if _is_concat(node) and _axis_of(work, node) == axis:
        return [run for piece in _pieces(node) for run in _segments(work, piece, axis)]
    before = [n for n in work.tensors_into(node) if n in work.flows]
    if len(before) == 1:
        runs = _segments(work, before[0], axis)
        whole = Channels(tuple(True for _, width in runs for _ in range(width)), axis)
        through = passage(work, node, before[0], whole)
        if through is not None and through.channels == whole:
            return runs
    raise CannotCutError(f"{operation_name(node)} mixes streams before they are concatenated")


def _is_concat(node: fx.Node) -> bool:
    return node.op == "call_function" and operation_name(node) == "concat"


def _pieces(node: fx.Node) -> list[fx.Node]:
    pieces = node.args[0] if node.args else node.kwargs.get("tensors")
    if not isinstance(pieces, (list, tuple)) or not all(isinstance(p, fx.Node) for p in pieces):
        raise CannotCutError("what is concatenated is no list of tensors")
    return [piece for piece in pieces if isinstance(piece, fx.Node)]


def _axis_of(work: Surgery, node: fx.Node) -> int | None:
    axis = concat_axis(node)
    return None if axis is None else axis % work.rank(node)


# --------------------------------------------------------------------------- carrying it out


def carry_out(work: Surgery, plan: CutPlan) -> None:
    """Give the readers of a concatenation a smaller one."""
    slim: dict[fx.Node, fx.Node] = {}
    for node in sorted(plan.region, key=work.position):
        with work.nodes.inserting_before(node.next):
            if node is plan.node:
                slim[node] = _without(work, node, plan.region[node])
            else:
                slim[node] = work.copy(node, lambda n: slim.get(n, n))
        for place, value in plan.arguments.get(node, {}).items():
            if isinstance(place, int):
                slim[node].update_arg(place, value)
            else:
                slim[node].update_kwarg(place, value)
    for reader, value in plan.readers:
        reader.replace_input_with(value, slim[value])
    work.changes.add(plan.changes)


def blank_out(work: Surgery, plan: CutPlan) -> None:
    """Let the layers that read a concatenation see zeros instead; nothing becomes smaller."""
    for reader, value in plan.readers:
        if value in plan.frontier and work.shapes[reader] is not None:
            channels = plan.frontier[value]
            gone = tuple(i for i, stays in enumerate(channels.kept) if not stays)
            arguments = (value, channels.axis, tuple(_runs(gone)))
            with work.nodes.inserting_before(reader):
                blank = work.nodes.call_function(blank_channels, arguments)
            reader.replace_input_with(value, blank)


def _without(work: Surgery, node: fx.Node, channels: Channels) -> fx.Node:
    """Return a new concatenation with the channels that stay."""
    kept: list[fx.Node] = []
    start = 0
    for piece in _pieces(node):
        shape = work.shapes[piece]
        assert shape is not None
        end = start + shape[channels.axis]
        stays = channels.kept[start:end]
        start = end
        if all(stays):
            kept.append(piece)
        elif any(stays):
            kept.append(_part(work, piece, Channels(stays, channels.axis)))
    if len(kept) > 1:
        whole = work.nodes.call_function(torch.cat, (kept, channels.axis))
        work.describe(whole, node)
        return whole
    work.promoted.append(kept[0])
    return kept[0]


def _part(work: Surgery, piece: fx.Node, channels: Channels) -> fx.Node:
    """Return the part of a piece that is itself a concatenation, or a selection from it."""
    if _is_concat(piece) and _axis_of(work, piece) == channels.axis:
        return _without(work, piece, channels)
    runs = tuple(_runs(channels.indices))
    return work.nodes.call_function(keep_channels, (piece, channels.axis, runs))


def _runs(indices: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of each run of numbers that follow each other."""
    start = 0
    for place, number in enumerate(indices):
        if place + 1 == len(indices) or indices[place + 1] != number + 1:
            yield indices[start], place + 1 - start
            start = place + 1
