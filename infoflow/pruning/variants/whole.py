"""One run of the whole net per batch, from which all variants are computed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from typing import Any

import torch
from torch import fx, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.checks import explained
from infoflow.graph.running.model_state import countable_attention, evaluation_mode
from infoflow.graph.running.pytree import map_tensors
from infoflow.graph.running.random_state import seeded
from infoflow.graph.tracing.program import Program
from infoflow.pruning.variants.kept_values import Footprint, random_states, set_random_states
from infoflow.pruning.variants.variant import Values, Variant


@contextmanager
def ready(*nets: nn.Module) -> Iterator[None]:
    """Put nets in evaluation mode, without gradients, from one random state; undo it after."""
    with ExitStack() as stack:
        for net in nets:
            stack.enter_context(evaluation_mode(net))
        stack.enter_context(torch.no_grad())
        stack.enter_context(countable_attention())
        stack.enter_context(seeded())
        yield


class WholeRun:
    """Runs the whole net on batches and keeps what variants read, no longer than they need it.

    Parameters
    ----------
    program
        The whole net's program.
    footprint
        From :func:`observe` of it.

    Notes
    -----
    A variant is computed as soon as the last value that it reads is there, and a value is let go
    after the last variant that reads it.
    """

    def __init__(self, program: Program, footprint: Footprint) -> None:
        self.program = program
        self.footprint = footprint
        self._output = next(node for node in reversed(program.nodes) if node.op == "output")
        self._position = {node: place for place, node in enumerate(program.nodes)}

    def values(
        self, call: Arguments, nodes: Collection[fx.Node], random: Collection[fx.Node] = ()
    ) -> Values:
        """Return the values of nodes for a batch, and the random states before others."""
        kept = Values()
        for _ in self._run(call, set(nodes), set(random), kept):
            pass
        return kept

    def outputs(
        self, call: Arguments, variants: Sequence[Variant]
    ) -> Iterator[tuple[int | None, Any]]:
        """Yield the number of each variant with its output for a batch; None for the whole net.

        They come in the order in which what they read is computed.
        """
        waiting = sorted(range(len(variants)), key=lambda i: self._ready_at(variants[i]))
        needed = {node for variant in variants for node in variant.reads}
        random = {node for variant in variants for node in variant.random.values()}
        uses = dict.fromkeys(needed, 0)
        for variant in variants:
            for node in variant.reads:
                uses[node] += 1
        kept = Values()
        for node, value in self._run(call, needed, random, kept):
            place = self._position[node]
            while waiting and self._ready_at(variants[waiting[0]]) <= place:
                number = waiting.pop(0)
                states = random_states() if variants[number].random else None
                yield number, variants[number].run(kept)
                if states is not None:
                    set_random_states(states)
                for read in variants[number].reads:
                    uses[read] -= 1
                    if not uses[read]:
                        del kept.of[read]
            if node is self._output:
                yield None, value

    def peak_bytes(self, variants: Sequence[Variant]) -> int:
        """Return how many bytes :meth:`outputs` keeps at most, for a batch like the footprint's."""
        last: dict[fx.Node, int] = {}
        for variant in variants:
            place = self._ready_at(variant)
            for node in variant.reads:
                last[node] = max(last.get(node, 0), place)
        changes = dict.fromkeys(range(len(self._position) + 1), 0)
        for node, place in last.items():
            changes[self._position[node]] += self.footprint.sizes[node]
            changes[place + 1] -= self.footprint.sizes[node]
        return max(accumulate(changes.values()))

    def _ready_at(self, variant: Variant) -> int:
        places = [self._position[node] for node in variant.reads]
        # states of the generators are noted when a node has been computed
        places += [self._position[node] for node in variant.random.values()]
        return max(places, default=0)

    def _run(
        self, call: Arguments, nodes: set[fx.Node], random: set[fx.Node], kept: Values
    ) -> Iterator[tuple[fx.Node, Any]]:
        states = random_states() if random else []
        for node, value in explained(self.program.run(call), self.program.model, call):
            if node in nodes:
                is_lost = node in self.footprint.overwritten
                kept.of[node] = map_tensors(torch.clone, value) if is_lost else value
            if node in random:
                kept.states[node] = states
            if random and node in self.footprint.random:
                states = random_states()
            yield node, value
