"""A net in which every stream can be turned down, by a number for each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from infoflow.graph import LayerGraph
from infoflow.graph.builders import BundleBuilder
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.tracing.program import Program
from infoflow.interface import Skip
from infoflow.pruning.choice import Removal, removals
from infoflow.pruning.rewriting.concat import CutPlan, plan_cut
from infoflow.pruning.rewriting.joint import neutral
from infoflow.pruning.rewriting.silence import silence
from infoflow.pruning.rewriting.surgery import CannotCutError, Surgery
from infoflow.pruning.variants import Footprint

_TURNS = "_turns"


@dataclass(frozen=True, eq=False)
class Gated:
    """A program with a gate for every stream.

    Parameters
    ----------
    program
        The program. It reads the gates from a constant, (samples, streams): 0 where a stream is as
        it is, 1 where it is silenced.
    streams
        Names of the streams that have a gate, in the order of the columns.
    """

    program: Program
    streams: tuple[str, ...]

    def run(self, call: Arguments, turns: Tensor) -> Any:
        """Return the net's output with gates ``turns``, (samples, streams)."""
        self.program.constants[_TURNS] = turns
        output = None
        try:
            for pair in self.program.run(call):
                output = pair[1]
        finally:
            del self.program.constants[_TURNS]
        return output


def gated(graph: LayerGraph, streams: Sequence[Skip], footprint: Footprint) -> Gated:
    """Return a net's program with gates where :func:`silenced` would silence streams.

    Streams that can only be silenced together with others have no gate.
    """
    call = graph.source.example
    assert call is not None
    work = Surgery(graph, call, footprint.shapes)
    first = next(iter(work.nodes.nodes))
    with work.nodes.inserting_before(first):
        turns = work.nodes.get_attr(_TURNS)
    gates = _Gates(work, turns)
    gates.plan_all(graph, streams)
    gates.insert()
    work.nodes.lint()
    whole = graph.program
    sources = {work.new(node): name for node, name in whole.sources.items()}
    program = Program(
        *(whole.model, work.nodes, sources),
        fixed=whole.fixed,
        root=whole.root,
        constants=whole.constants,
        hidden=whole.hidden,
    )
    return Gated(program, tuple(gates.columns))


class _Gates:
    """Plans gates on a program as it was, and puts them in."""

    def __init__(self, work: Surgery, turns: fx.Node) -> None:
        self._work = work
        self._turns = turns
        self.columns: dict[str, int] = {}
        self._cuts: dict[tuple[fx.Node, fx.Node], tuple[int, dict[int, int]]] = {}
        self.others: list[list[Removal]] = []

    def plan_all(self, graph: LayerGraph, streams: Sequence[Skip]) -> None:
        """Plan the gates of streams, merge by merge."""
        merges: dict[str, list[Skip]] = {}
        for stream in streams:
            merges.setdefault(stream.merge, []).append(stream)
        for own in merges.values():
            self.plan([removal for skip in own for removal in removals(graph, skip)])

    def plan(self, own: Sequence[Removal]) -> None:
        """Plan the gates of one merge: at the readers where streams can be cut, else at it."""
        others = []
        for removal in own:
            try:
                if not isinstance(removal.draft, BundleBuilder):
                    raise CannotCutError("streams are added")
                found = plan_cut(self._work, removal.draft, removal.sources)
            except CannotCutError:
                others.append(removal)
            else:
                self._note(removal, found)
        if others:
            self.others.append(others)

    def _column(self, name: str) -> int:
        return self.columns.setdefault(name, len(self.columns))

    def _note(self, removal: Removal, found: CutPlan) -> None:
        (name,) = removal.names
        for reader, value in found.readers:
            if value not in found.frontier or self._work.shapes[reader] is None:
                continue
            channels = found.frontier[value]
            _, owners = self._cuts.setdefault((reader, value), (channels.axis, {}))
            column = self._column(name)
            owners.update({i: column for i, stays in enumerate(channels.kept) if not stays})

    def cuts(self) -> Iterator[tuple[fx.Node, fx.Node, int, tuple[int, ...]]]:
        """Yield each layer that reads streams, what it reads, the axis and the columns there."""
        for (reader, value), (axis, owners) in self._cuts.items():
            shape = self._work.shapes[value]
            assert shape is not None
            yield reader, value, axis, tuple(owners.get(i, -1) for i in range(shape[axis]))

    def insert(self) -> None:
        """Put the gates in."""
        for reader, value, axis, columns in list(self.cuts()):
            with self._work.nodes.inserting_before(reader):
                gate = self._work.nodes.call_function(
                    turn_channels, (value, self._turns, axis, columns)
                )
            reader.replace_input_with(value, gate)
        for others in self.others:
            self._at_merge(others)

    def _at_merge(self, own: Sequence[Removal]) -> None:
        draft, merge = own[0].draft, own[0].merge
        wanted = {source: removal.names[0] for removal in own for source in removal.sources}
        blank = neutral(self._work, draft.node)

        def replace(value: fx.Node) -> fx.Node:
            (source, *more) = self._work.flows[value].sources
            if more:
                return value
            column = self._column(wanted[source])
            return self._work.nodes.call_function(
                turn_value, (value, self._turns, column, blank is torch.ones_like)
            )

        silence(self._work, Removal(merge, draft, frozenset(wanted)), replace)


def turn_channels(value: Tensor, turns: Tensor, axis: int, columns: tuple[int, ...]) -> Tensor:
    """Return ``value`` with each channel turned down by the column of its stream."""
    padded = torch.cat([turns, turns.new_zeros(len(turns), 1)], 1)
    factors = 1 - padded[:, list(columns)]
    shape = [1] * value.ndim
    shape[axis] = len(columns)
    return value.clone() * _rows(factors, value).view(-1, *shape[1:])


def turn_value(value: Tensor, turns: Tensor, column: int, to_ones: bool) -> Tensor:
    """Return ``value`` turned towards zeros, or ones, by one column."""
    share = _rows(turns[:, column], value).view(-1, *[1] * (value.ndim - 1))
    away = value - 1 if to_ones else value.clone()
    return value - share * away


def _rows(turns: Tensor, value: Tensor) -> Tensor:
    """Repeat the rows of samples where a value has several rows for each sample."""
    return turns.repeat_interleave(len(value) // len(turns), 0).to(value.dtype)
