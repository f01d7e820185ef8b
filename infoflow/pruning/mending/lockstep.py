"""Both nets, batch by batch, from one refitted layer to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from infoflow.capture.batches import Batch
from infoflow.graph.running.checks import explained
from infoflow.graph.running.memory import bytes_held
from infoflow.graph.running.pytree import map_tensors, tensor_of, tensors_in
from infoflow.graph.tracing.node_values import last_reads
from infoflow.graph.tracing.program import Interpreter, Program
from infoflow.pruning.mending.sites import Site
from infoflow.pruning.variants import Variant
from infoflow.pruning.variants.kept_values import Footprint

Step = fx.Node | Site


class Route:
    """The steps from the cut to the last refitted layer, and what each of them reads.

    Parameters
    ----------
    variant
        The net without streams; what changes when layers are refitted counts as changed.
    whole
        The whole net's program.
    footprint
        Of the whole net.
    sites
        The layers that are refitted, in the order of computation.
    """

    def __init__(
        self, variant: Variant, whole: Program, footprint: Footprint, sites: Sequence[Site]
    ) -> None:
        self.variant, self.whole, self.footprint = variant, whole, footprint
        self.steps = _steps(variant, sites)
        self._position = {node: i for i, node in enumerate(whole.nodes)}
        self.wanted: Counter[fx.Node] = Counter()
        self.reads: list[tuple[fx.Node, ...]] = []
        self.last: dict[fx.Node, int] = {}
        changed = set(variant.changed)
        for place, step in enumerate(self.steps):
            values = _values_of(step)
            olds = [variant.whole[v] for v in values if v not in changed and v.op != "get_attr"]
            olds += [] if isinstance(step, fx.Node) else step.wanted
            self.reads.append(tuple(dict.fromkeys(olds)))
            self.wanted.update(self.reads[-1])
            self.last.update(dict.fromkeys(values, place))
        self._alive = _alive_bytes(whole, footprint)

    def until(self, place: int) -> int:
        """Return how far the whole net has to run for a step."""
        return max((self._position[node] for node in self.reads[place]), default=-1)

    def whole_bytes(self, node: fx.Node | None, samples: int) -> float:
        """Return what a run of the whole net holds after a node."""
        return 0.0 if node is None else self._alive[node] * samples


def _steps(variant: Variant, sites: Sequence[Site]) -> list[Step]:
    at: dict[fx.Node, list[Site]] = {}
    for site in sites:
        at.setdefault(site.node, []).append(site)
    steps: list[Step] = []
    left = len(sites)
    for node in variant.changed:
        here = at.get(node, [])
        steps += here
        left -= len(here)
        if not left:
            return steps
        steps.append(node)
    return steps


def _values_of(step: Step) -> list[fx.Node]:
    return step.all_input_nodes if isinstance(step, fx.Node) else list(step.reads)


def _alive_bytes(whole: Program, footprint: Footprint) -> dict[fx.Node, float]:
    """Return the bytes per sample that a run holds after each node."""
    done = last_reads(whole.nodes)
    held, alive = 0.0, {}
    for node in whole.nodes:
        is_own = node.op != "get_attr"
        held += footprint.sizes.get(node, 0) / footprint.samples if is_own else 0
        for gone in done.get(node, ()):
            held -= footprint.sizes.get(gone, 0) / footprint.samples if gone.op != "get_attr" else 0
        alive[node] = held
    return alive


class Lane:
    """One batch on its way through both nets; it stops before each refitted layer.

    Parameters
    ----------
    route
        The steps.
    batch
        The batch.

    Attributes
    ----------
    first, size
        Number of its first sample among all, and number of its samples.
    """

    def __init__(self, route: Route, batch: Batch) -> None:
        self._route = route
        self.first, self.size = batch.start, batch.size
        self._run = explained(route.whole.run(batch.call), route.whole.model, batch.call)
        self._reached: fx.Node | None = None
        self._place = 0
        self._old: dict[fx.Node, Any] = {}
        self._uses = dict(route.wanted)
        self._interpreter = Interpreter(route.variant.program, lets_go=False)
        self._interpreter.env = {}

    def advance(self, place: int) -> None:
        """Compute all steps before the one at ``place``, and what that one reads."""
        while self._place < place:
            step = self._route.steps[self._place]
            self._run_whole(self._place)
            if isinstance(step, fx.Node):
                self._compute(step)
            self._let_go(step)
            self._place += 1
        self._run_whole(place)

    def look(self, node: fx.Node) -> Tensor:
        """Return the value of a node of the net without streams."""
        return tensor_of(self._value(node))

    def look_whole(self, node: fx.Node) -> Tensor:
        """Return the value of a node of the whole net."""
        return tensor_of(self._old[node])

    @property
    def bytes(self) -> float:
        """Memory that the lane holds."""
        held = bytes_held(tensors_in([*self._old.values(), *self._interpreter.env.values()]))
        return sum(held.values()) + self._route.whole_bytes(self._reached, self.size)

    def _value(self, node: fx.Node) -> Any:
        environment = self._interpreter.env
        if node in environment:
            return environment[node]
        if node.op == "get_attr":
            return self._route.variant.program.attribute(node)
        value = self._old[self._route.variant.whole[node]]
        if node in self._route.variant.copied:
            environment[node] = value = map_tensors(torch.clone, value)
        return value

    def _compute(self, node: fx.Node) -> None:
        environment = self._interpreter.env
        borrowed = [n for n in node.all_input_nodes if n not in environment]
        for one in borrowed:
            environment[one] = self._value(one)
        environment[node] = self._interpreter.run_node(node)
        for one in borrowed:
            if one not in self._route.variant.copied:
                del environment[one]

    def _run_whole(self, place: int) -> None:
        until = self._route.until(place)
        positions = self._route._position
        while self._reached is None or positions[self._reached] < until:
            if until < 0:
                return
            node, value = next(self._run)
            self._reached = node
            if self._uses.get(node):
                is_lost = node in self._route.footprint.overwritten
                self._old[node] = map_tensors(torch.clone, value) if is_lost else value

    def _let_go(self, step: Step) -> None:
        for old in self._route.reads[self._place]:
            self._uses[old] -= 1
            if not self._uses[old]:
                del self._old[old]
        for node in _values_of(step):
            if self._route.last[node] == self._place:
                self._interpreter.env.pop(node, None)


def lanes(
    route: Route,
    batches: Callable[[], Iterable[Batch]],
    place: int,
    kept: list[Lane | None],
    budget: float,
) -> Iterator[Lane]:
    """Yield a lane for each batch, stopped before the step at ``place``.

    Lanes that fit into the budget are kept for the next call; the others start again from their
    batch, with the same result.

    Parameters
    ----------
    route
        The steps.
    batches
        Goes through the batches; read only where not all lanes were kept.
    place
        Number of the step.
    kept
        Lanes kept so far, one for each batch; changed here. Empty before the first call.
    budget
        Bytes that all kept lanes together may hold.
    """
    total = 0.0
    if kept and all(lane is not None for lane in kept):
        source: Iterable[Batch | None] = [None] * len(kept)
    else:
        source = batches()
    for number, batch in enumerate(source):
        lane = kept[number] if number < len(kept) else None
        if lane is None:
            assert batch is not None
            lane = Lane(route, batch)
        lane.advance(place)
        yield lane
        total += lane.bytes
        kept[number : number + 1] = [lane if total <= budget else None]
