"""Streams put side by side, and the parts of what they make."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from torch import fx

from infoflow.graph.builders import BundleBuilder, Flow, unique
from infoflow.graph.concat_parts import ConcatPart, Piece, widths_of
from infoflow.graph.operations.lookup import (
    arguments_of,
    operation_name,
    operation_of,
    reduced_dimensions,
)
from infoflow.graph.operations.operation import Passing
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import Program
from infoflow.graph.tracing.program_functions import set_item


class Bundles:
    """The bundles of a walk over a program, whose flows it reads.

    Parameters
    ----------
    program, facts
        The program, and what is known of its nodes.
    flows
        Of the nodes so far.
    """

    def __init__(
        self, program: Program, facts: Mapping[fx.Node, NodeInfo], flows: Mapping[fx.Node, Flow]
    ) -> None:
        self.drafts: list[BundleBuilder] = []
        self._program = program
        self._facts = facts
        self._flows = flows
        self._canvases: set[fx.Node] = set()
        self._parts: dict[fx.Node, ConcatPart] = {}

    def concatenated(self, node: fx.Node, arguments: list[Flow]) -> Flow:
        """Return the flow of a node that puts two or more streams side by side."""
        sources = unique(source for flow in arguments for source in flow.sources)
        axis, shape = concat_axis(node), self._facts[node].shape
        axis = axis % len(shape) if axis is not None and shape else None
        pieces = None if axis is None else self._pieces(node, axis)
        widths = None
        if pieces is not None and operation_name(node) == "concat":
            filled = widths_of(pieces)
            if axis is not None and sum(filled.values()) == shape[axis]:
                widths = tuple(filled[source] for source in sources)
        if axis is not None and pieces is not None:
            self._note(node, ConcatPart.whole(pieces, axis, self._facts[node]))
        bundle = self._add(BundleBuilder(operation_name(node), node, sources, widths, axis))
        # norms of bundles within this one are of other channels than its own
        is_mixed = any(flow.is_mixed or flow.norms for flow in arguments)
        return Flow(sources, bundle, is_mixed=is_mixed)

    def written(self, node: fx.Node) -> Flow | None:
        """Return the flow of a tensor made for streams that are written into it, None of others."""
        base, *others = node.all_input_nodes
        if base in self._flows and base not in self._canvases:
            return None
        index = node.args[1] if node.target is set_item else None
        if isinstance(index, fx.Node) and index in self._flows:
            return None
        self._canvases.add(node)
        pieces = [self._flows[piece] for piece in (base, *others) if piece in self._flows]
        sources = unique(source for flow in pieces for source in flow.sources)
        if len(sources) == 1:
            return Flow(sources, None, norms_of(pieces))
        bundle = self._add(BundleBuilder(operation_name(node), node, sources, None))
        return Flow(sources, bundle, norms_of(pieces))

    def narrowed(self, node: fx.Node, flow: Flow, *, keeps_places: bool) -> Flow:
        """Return the flow of a node that reads ``flow``: of its streams those in its part.

        ``keeps_places`` says that a value of the same shape has every number in its place.
        """
        before = [argument for argument in arguments_of(node) if argument in self._flows]
        if flow.bundle is None or len(before) != 1 or before[0] not in self._parts:
            return flow
        known = self._parts[before[0]]
        part = self._note(node, known.then(self._facts[node], keeps_places=keeps_places))
        if part is None or part.is_whole:
            return flow
        widths = part.widths()
        sources = tuple(source for source in flow.sources if source in widths)
        if sources == flow.sources:
            return flow
        if len(sources) == 1:
            return Flow(sources)
        shares = tuple(widths[source] for source in sources)
        bundle = self._add(BundleBuilder(flow.bundle.kind, node, sources, shares))
        return Flow(sources, bundle, flow.norms)

    def treats_channels_alone(self, node: fx.Node, bundle: BundleBuilder) -> bool:
        """Tell whether a node that reads a bundle leaves its channels apart, and in their order."""
        operation = operation_of(node, self._program.module(node))
        value = next(a for a in arguments_of(node) if a in self._flows)
        before, after = self._facts[value].shape, self._facts[node].shape
        if bundle.axis is None or before == after == ():
            return False
        if operation.is_elementwise:
            return True
        if operation.is_per_channel:
            return bundle.axis == 1
        if operation.passing is Passing.MEAN:
            gone = reduced_dimensions(node, len(before))
            return gone is not None and bundle.axis not in gone
        if operation.passing is Passing.FLATTENED:
            return bundle.axis == 1 and after == (before[0], math.prod(before[1:]))
        part = self._parts.get(node)
        return before == after and part is not None and part.lies_along(bundle.axis)

    def _add(self, bundle: BundleBuilder) -> BundleBuilder:
        self.drafts.append(bundle)
        return bundle

    def _note(self, node: fx.Node, part: ConcatPart | None) -> ConcatPart | None:
        if part is not None:
            self._parts[node] = part
        return part

    def _pieces(self, node: fx.Node, axis: int) -> tuple[Piece, ...] | None:
        """Return what fills the concatenated dimension; None where that is unknown."""
        arguments = node.args[0] if node.args else node.kwargs.get("tensors")
        kind = operation_name(node)
        if kind not in ("concat", "stack") or not isinstance(arguments, (list, tuple)):
            return None
        is_stack = kind == "stack"
        pieces: list[Piece] = []
        for argument in arguments:
            if not isinstance(argument, fx.Node) or argument not in self._flows:
                return None
            flow, part = self._flows[argument], self._parts.get(argument)
            if flow.bundle is None:
                width = 1 if is_stack else self._facts[argument].shape[axis]
                pieces.append(Piece(flow.sources[0], width))
            elif is_stack or flow.bundle.widths is None or flow.bundle.axis != axis:
                return None
            elif part is None:
                shares = zip(flow.bundle.streams, flow.bundle.widths, strict=True)
                pieces += (Piece(source, width, is_in_order=False) for source, width in shares)
            elif part.is_whole and part.lies_along(axis):
                pieces += part.pieces
            else:
                return None
        return tuple(pieces)


def concat_axis(node: fx.Node) -> int | None:
    """Return the dimension along which a node concatenates or stacks; None where it varies."""
    given = node.kwargs.get("dim", node.kwargs.get("axis", 0))
    axis = node.args[1] if len(node.args) > 1 else given
    return axis if isinstance(axis, int) else None


def norms_of(flows: Iterable[Flow]) -> frozenset[fx.Node]:
    """Return the learned norms that any of some flows went through."""
    return frozenset().union(*(flow.norms for flow in flows))
