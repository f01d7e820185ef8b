"""A net without some streams, computed from where it begins to differ from the whole net."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.running.members import named_tensors
from infoflow.graph.running.pytree import map_tensors
from infoflow.graph.tracing.node_values import last_reads
from infoflow.graph.tracing.program import Interpreter, Program
from infoflow.pruning.rewriting.surgery import Lineage
from infoflow.pruning.variants.kept_values import (
    Footprint,
    arguments,
    set_random_states,
)


@dataclass(frozen=True, eq=False)
class Values:
    """Values of one run of the whole net that variants read.

    Parameters
    ----------
    of
        By node of the whole net's program. A later write in place does not change them.
    states
        By node that draws random numbers, the states of the generators before it.
    """

    of: dict[fx.Node, Any] = field(default_factory=dict)
    states: dict[fx.Node, list[Tensor]] = field(default_factory=dict)


class Variant:
    """A net without some streams, aligned node by node with the whole net's program.

    Parameters
    ----------
    program
        The variant's own program; its root holds the modules that are called.
    lineage
        Its nodes, and the nodes of the whole net's program that they come from.
    whole
        The whole net's program.
    footprint
        How the whole net's values lie in memory, from :func:`observe`.
    also
        Nodes that count as changed although they are not, since their weights will be.

    Attributes
    ----------
    program
        As given.
    own
        The nodes that do something else than the whole net's, or do it to other nodes.
    copied
        Unchanged values that changed nodes overwrite.
    whole
        For each node that keeps its place, the node of the whole net's program.
    changed
        The nodes that are computed again, in order: those whose value may differ from that of the
        whole net, and those that share memory that is written to. The output is always among them.
    reads
        The nodes of the whole net's program whose values :meth:`run` needs.
    """

    def __init__(
        self,
        program: Program,
        lineage: Lineage,
        whole: Program,
        footprint: Footprint,
        *,
        also: Collection[fx.Node] = (),
    ) -> None:
        self.program = program
        self.whole: Mapping[fx.Node, fx.Node] = lineage.origins
        changes = _Changes(program, lineage, whole, footprint)
        self.own = frozenset(changes.own)
        changes.own |= set(also)
        nodes, copied = changes.find()
        self.changed = tuple(node for node in program.nodes if node in nodes)
        entries = dict.fromkeys(a for n in self.changed for a in arguments(n) if a not in nodes)
        self._entries = {node: self.whole[node] for node in entries}
        self.copied = copied
        self.reads = frozenset(self._entries.values())
        self.random: Mapping[fx.Node, fx.Node] = {
            node: lineage.likes[node]
            for node in self.changed
            if lineage.likes.get(node) in footprint.random
        }
        self._last_reads = last_reads(list(self.changed))
        self._interpreter = Interpreter(program, lets_go=False)

    def visit(self, values: Values) -> Iterator[tuple[fx.Node, Any]]:
        """Compute the nodes that changed, and yield each of them with its value.

        A value is let go as soon as no later node reads it, and an operation that works in place
        may overwrite it: copy what you keep. ``values`` are left as they are.
        """
        environment = self._interpreter.env = {
            node: map_tensors(torch.clone, values.of[old])
            if node in self.copied
            else values.of[old]
            for node, old in self._entries.items()
        }
        try:
            for node in self.changed:
                if node in self.random:
                    set_random_states(values.states[self.random[node]])
                value = self._interpreter.run_node(node)
                environment[node] = value
                yield node, value
                del value
                for done in self._last_reads.get(node, ()):
                    environment.pop(done, None)
        finally:
            self._interpreter.env = {}

    def run(self, values: Values) -> Any:
        """Return the variant's output for the batch that ``values`` are of."""
        output = None
        for pair in self.visit(values):
            output = pair[1]
        return output


class _Changes:
    """Finds the nodes of a variant that have to be computed again."""

    def __init__(
        self, program: Program, lineage: Lineage, whole: Program, footprint: Footprint
    ) -> None:
        self._program, self._whole, self._footprint = program, whole, footprint
        self._lineage = lineage
        self._is_shared = program.root is whole.root
        self._places = {old: node for node, old in lineage.origins.items()}
        self.own = {node for node in program.nodes if not self._is_same(node)}

    def find(self) -> tuple[set[fx.Node], frozenset[fx.Node]]:
        """Return the changed nodes, and the others that these overwrite."""
        forced = set(self.own)
        while True:
            changed = self._behind(forced)
            shared, copied = self._overwritten(changed)
            if shared <= changed:
                return changed, copied
            forced |= shared

    def _behind(self, forced: set[fx.Node]) -> set[fx.Node]:
        changed = set(forced)
        for node in self._program.nodes:
            if node.op == "output" or not changed.isdisjoint(node.all_input_nodes):
                changed.add(node)
        return changed

    def _overwritten(self, changed: set[fx.Node]) -> tuple[set[fx.Node], frozenset[fx.Node]]:
        """Return what shares memory that changed nodes write to, and where that memory begins.

        The first value in that memory is copied, and views of it are computed again, of the copy.
        """
        shared: set[fx.Node] = set()
        begins: set[fx.Node] = set()
        for node in changed:
            given = arguments(node)
            for place in self._footprint.writes.get(self._lineage.likes.get(node, node), ()):
                written = given[place]
                if written in changed or written not in self._lineage.origins:
                    continue
                together = self._footprint.sharing(self._lineage.origins[written])
                own = [self._places[old] for old in together if old in self._places]
                begins.add(own[0])
                shared.update(own[1:])
        return shared, frozenset(begins - changed)

    # ------------------------------------------------------------------------- the same operation

    def _is_same(self, node: fx.Node) -> bool:
        """Tell whether a node does to its arguments what the whole net's node does to its own."""
        old = self._lineage.origins.get(node)
        if old is None:
            return False
        if _is_idle_dropout(old) and self._is_dropout(node):
            return bool(self._as_whole(node.args[:1]) == tuple(old.args[:1]))
        if node.op != old.op or self._as_whole((node.args, node.kwargs)) != (old.args, old.kwargs):
            return False
        if self._is_shared and node.target == old.target:
            return True
        if node.op == "call_module":
            return _are_same(self._program.module(node), self._whole.module(old))
        if node.op == "get_attr":
            return _is_equal(self._program.attribute(node), self._whole.attribute(old))
        return bool(node.target == old.target)

    def _as_whole(self, argument: Any) -> Any:
        origins = self._lineage.origins
        return fx.node.map_arg(argument, lambda node: origins.get(node, node))

    def _is_dropout(self, node: fx.Node) -> bool:
        return isinstance(self._program.module(node), nn.modules.dropout._DropoutNd)


def _is_idle_dropout(node: fx.Node) -> bool:
    """Tell whether a node is a function that would drop out, if the net were training."""
    return node.op == "call_function" and operation_of(node).family == "dropout"


def _are_same(one: nn.Module | None, other: nn.Module | None) -> bool:
    """Tell whether two modules compute the same, by their class, parameters and buffers."""
    if one is other:
        return True
    if one is None or other is None or type(one) is not type(other):
        return False
    ours, theirs = _tensors(one), _tensors(other)
    return ours.keys() == theirs.keys() and all(_is_equal(ours[n], theirs[n]) for n in ours)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(named_tensors(module, "_parameters", "_buffers"))


def _is_equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return bool(one == other)
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
