"""Which nodes of a program share memory, write to it in place, and draw random numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.memory import memory_of, version_of
from infoflow.graph.running.pytree import first_tensor, tensors_in
from infoflow.graph.tracing.node_values import last_reads
from infoflow.graph.tracing.program import Program
from infoflow.pruning.rewriting.surgery import Shapes


@dataclass(frozen=True, eq=False)
class Footprint:
    """What one run of a program shows of the memory of its values.

    Parameters
    ----------
    samples
        Number of samples of the run.
    shapes
        Shape of each node's (first) tensor, None where it has none.
    sizes
        Bytes of each node's value.
    groups
        For each group of nodes that share memory, its nodes in the order of computation; a node may
        be in several.
    writes
        For each node that works in place, the places of the arguments that it writes to, in the
        order of :func:`arguments`.
    overwritten
        Nodes to whose memory a later node writes.
    random
        Nodes that draw random numbers.
    """

    samples: int
    shapes: Shapes
    sizes: Mapping[fx.Node, int]
    groups: tuple[tuple[fx.Node, ...], ...]
    writes: Mapping[fx.Node, frozenset[int]]
    overwritten: frozenset[fx.Node]
    random: frozenset[fx.Node]

    def sharing(self, node: fx.Node) -> list[fx.Node]:
        """Return the nodes that share memory with a node, and itself."""
        found = [other for group in self.groups if node in group for other in group]
        return list(dict.fromkeys([*found, node]))


def arguments(node: fx.Node) -> list[fx.Node]:
    """Return the nodes among a node's arguments, those that stand twice twice."""
    found: list[fx.Node] = []

    def note(argument: fx.Node) -> fx.Node:
        found.append(argument)
        return argument

    fx.node.map_arg((node.args, node.kwargs), note)
    return found


def observe(program: Program, call: Arguments) -> Footprint:
    """Run a program once and note how its values lie in memory.

    In evaluation mode, without gradients: the caller's business, see :func:`ready`.
    """
    notes = _Notes(last_reads(program.nodes))
    for node, value in program.run(call):
        notes.add(node, value)
    return notes.footprint(max(call.samples, 1))


@dataclass
class _Notes:
    """What has been seen so far; values are let go after their last reader."""

    last_reads: Mapping[fx.Node, list[fx.Node]]
    shapes: dict[fx.Node, tuple[int, ...] | None] = field(default_factory=dict)
    sizes: dict[fx.Node, int] = field(default_factory=dict)
    groups: list[list[fx.Node]] = field(default_factory=list)
    writes: dict[fx.Node, frozenset[int]] = field(default_factory=dict)
    overwritten: set[fx.Node] = field(default_factory=set)
    random: set[fx.Node] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._held: dict[fx.Node, list[Tensor]] = {}
        self._group: dict[int, int] = {}  # memory that is in use -> its group
        self._uses: Counter[int] = Counter()
        self._version: dict[int, int] = {}
        self._states = random_states()

    def add(self, node: fx.Node, value: Any) -> None:
        if node.op != "output":
            self._note_writes(node)
        states = random_states()
        if not all(map(torch.equal, states, self._states)):
            self.random.add(node)
        self._states = states
        tensor = first_tensor(value)
        self.shapes[node] = None if tensor is None else tuple(tensor.shape)
        tensors = tensors_in(value)
        self.sizes[node] = sum(t.numel() * t.element_size() for t in tensors)
        self._hold(node, tensors)
        for done in self.last_reads.get(node, ()):
            self._let_go(done)

    def _note_writes(self, node: fx.Node) -> None:
        places = set()
        for place, argument in enumerate(arguments(node)):
            for tensor in self._held.get(argument, ()):
                memory = memory_of(tensor)
                if memory is not None and version_of(tensor) != self._version[memory]:
                    places.add(place)
        if not places:
            return
        self.writes[node] = frozenset(places)
        for tensor in (t for tensors in self._held.values() for t in tensors):
            memory = memory_of(tensor)
            if memory is not None and version_of(tensor) != self._version[memory]:
                self._version[memory] = version_of(tensor)
                self.overwritten.update(self.groups[self._group[memory]])

    def _hold(self, node: fx.Node, tensors: list[Tensor]) -> None:
        self._held[node] = tensors
        for tensor in tensors:
            memory = memory_of(tensor)
            if memory is None:
                continue
            if not self._uses[memory]:
                self._group[memory] = len(self.groups)
                self.groups.append([])
            self._version[memory] = version_of(tensor)
            self._uses[memory] += 1
            group = self.groups[self._group[memory]]
            if node not in group:
                group.append(node)

    def _let_go(self, node: fx.Node) -> None:
        for tensor in self._held.pop(node, ()):
            memory = memory_of(tensor)
            if memory is not None:
                self._uses[memory] -= 1

    def footprint(self, samples: int) -> Footprint:
        return Footprint(
            samples,
            self.shapes,
            self.sizes,
            tuple(tuple(group) for group in self.groups if len(group) > 1),
            self.writes,
            frozenset(self.overwritten),
            frozenset(self.random),
        )


def random_states() -> list[Tensor]:
    """Return the states of torch's generators, of the CPU and of the CUDA devices in use."""
    return [torch.get_rng_state(), *_cuda_states()]


def set_random_states(states: list[Tensor]) -> None:
    """Put torch's generators into states that :func:`random_states` returned."""
    torch.set_rng_state(states[0])
    if states[1:]:
        torch.cuda.set_rng_state_all(states[1:])


def _cuda_states() -> list[Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
