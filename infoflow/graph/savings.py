"""What a net without one of its streams would save."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from torch import fx

from infoflow.graph.builders import OUTPUT, BundleBuilder, Flow, LayerBuilder, MergeBuilder, Streams
from infoflow.graph.layer_costs import LayerCosts
from infoflow.graph.operands import operands
from infoflow.graph.operations.costs import weight_shape
from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.paths import Paths, Place, merge_place
from infoflow.graph.tracing.program import Program
from infoflow.interface import total


class Savings:
    """What a net without one stream would save."""

    def __init__(
        self,
        streams: Streams,
        paths: Paths,
        costs: LayerCosts,
        program: Program,
        shapes: Mapping[fx.Node, tuple[int, ...]],
    ) -> None:
        self._paths = paths
        self._costs = costs
        self._drafts = {draft.name: draft for draft in streams.layers}
        self._streams = streams
        self._program = program
        self._shapes = shapes
        self._users: dict[int, set[Hashable]] = {}
        self._sizes: dict[int, int] = {}
        self._read: dict[Hashable, set[int]] = {}
        self._shrinking: dict[tuple[BundleBuilder, str], list[int | None]] = {}
        self._without: dict[tuple[Place, str], tuple[Set[Place], Set[Hashable]]] = {}
        for place, learned in self._places():
            self._sizes.update(learned)
            self._read[place] = set(learned)
            for parameter in learned:
                self._users.setdefault(parameter, set()).add(place)

    def _places(self) -> Iterator[tuple[Hashable, Mapping[int, int]]]:
        """Yield each layer's name, and each edge, with the parameters that it reads."""
        for name, draft in self._drafts.items():
            yield name, self._streams.learned_by(draft.node, *draft.parts)
        for edge in self._streams.edges:
            yield edge, self._streams.learned_by(edge.node)

    def of(self, merge: MergeBuilder, source: str, what: str) -> int | None:
        """Count ``what`` ("parameters" or "multiply_adds"), None where it cannot be said."""
        useless, gone = self._lost(merge_place(merge), source)
        is_learned = what == "parameters"
        saved = self._parameters(gone) if is_learned else self._costs.without(useless, gone)
        if isinstance(merge, LayerBuilder):
            own = 0 if is_learned else self._costs.of(merge.node)
            return total((saved, own)) if self._can_lose(merge, source) else None
        shares = self._shares(merge, source, what)
        return None if shares is None else total((saved, shares))

    def _shares(self, merge: BundleBuilder, source: str, what: str) -> int | None:
        """Count what of the readers of a bundle, and of norms before them, is a stream's."""
        if merge.widths is None:
            return None
        if (merge, what) not in self._shrinking:
            self._shrinking[merge, what] = self._all_that_shrinks(merge, what)
        width, whole = merge.widths[merge.streams.index(source)], sum(merge.widths)
        numbers = self._shrinking[merge, what]
        return total(None if number is None else number * width // whole for number in numbers)

    def _all_that_shrinks(self, merge: BundleBuilder, what: str) -> list[int | None]:
        """Count what of each reader and norm is in proportion to the width of a bundle."""
        flows = self._flows(merge)
        if OUTPUT in merge.readers or any(flow.is_mixed for flow in flows):
            return [None]  # a narrower output is another net, and so is what is mixed on the way
        if self._costs_on_the_way(merge):
            return [None]
        shrinking = [self._shrinks(merge, self._drafts[reader], what) for reader in merge.readers]
        if what == "parameters":
            norms = frozenset[fx.Node]().union(*(flow.norms for flow in flows))
            shrinking += [sum(self._streams.learned_by(norm).values()) for norm in norms]
        return shrinking

    def _costs_on_the_way(self, merge: BundleBuilder) -> bool:
        """Tell whether an operation with a cost reads a bundle before its readers do."""
        flows = (self._streams.flows.get(edge.node) for edge in self._costs.edges)
        return any(flow is not None and flow.bundle is merge for flow in flows)

    def _lost(self, merge: Place, source: str) -> tuple[Set[Place], Set[Hashable]]:
        """Return what is useless without a stream, and with it the edges that are."""
        found = self._without.get((merge, source))
        if found is None:
            useless = self._paths.useless_without(source, merge)
            found = useless, self._gone(source, merge, useless)
            self._without[merge, source] = found
        return found

    def _gone(self, source: str, merge: Place, useless: Set[Place]) -> set[Hashable]:
        """Return the useless layers, and the edges that lead to nothing else."""
        edges = {
            edge
            for edge in self._streams.edges
            if edge.readers <= useless
            or (edge.source == source and edge.readers <= {*useless, merge})
        }
        return {*useless, *edges}

    def _parameters(self, gone: Set[Hashable]) -> int:
        """Count the parameters that only what is gone reads."""
        read = set[int]().union(*(self._read.get(place, ()) for place in gone))
        return sum(self._sizes[key] for key in read if self._users[key] <= gone)

    def _can_lose(self, merge: LayerBuilder, source: str) -> bool:
        """Tell whether an operation is a sum or product that is still there without a stream."""
        pair = operands(merge.node, self._streams.flows, self._shapes, {source})
        return not isinstance(pair, str)

    def _shrinks(self, bundle: BundleBuilder, reader: LayerBuilder, what: str) -> int | None:
        """Count what of a reader is in proportion to its input's width, None where it is not."""
        weight = _weight(reader, self._program)
        if weight is None or bundle.axis != weight.axis or bundle.widths is None:
            return None
        if weight.inputs % sum(bundle.widths):
            return None  # what it reads has other channels than what was concatenated
        own = self._streams.learned_by(reader.node)
        if any(self._users[parameter] != {reader.name} for parameter in own):
            return None  # weights that other layers read with cannot lose channels
        if what == "multiply_adds":
            return self._costs.of(reader.node)
        return weight.numbers

    def _flows(self, merge: BundleBuilder) -> list[Flow]:
        """Return how a bundle comes to its readers."""
        readers = [self._drafts[name] for name in merge.readers if name != OUTPUT]
        return [flow for reader in readers for flow in reader.arguments if flow.bundle is merge]


@dataclass(frozen=True)
class _Weight:
    """A dense layer's weight: its numbers, the channels it reads, and their axis in its input."""

    numbers: int
    inputs: int
    axis: int


def _weight(reader: LayerBuilder, program: Program) -> _Weight | None:
    """Return the weight of a layer whose cost is in proportion to its input's width, or None."""
    module: Any = program.module(reader.node)
    node = reader.node
    operation = operation_of(node, module)
    if operation.weight_inputs is None:
        return None
    if module is not None:
        shape = weight_shape(module, operation.weight_inputs)
        groups = getattr(module, "groups", 1)
    else:
        given = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
        if not isinstance(given, fx.Node) or given.op != "get_attr":
            return None
        shape = list(program.attribute(given).shape)
        groups = node.args[6] if len(node.args) > 6 else node.kwargs.get("groups", 1)
    if groups != 1:
        return None
    axis = reader.rank - 1 if operation.channels == -1 else 1
    return _Weight(math.prod(shape), shape[operation.weight_inputs], axis)
