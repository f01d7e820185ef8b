"""Where a graph's values come from: a replay of its program, or the model itself, watched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import fx, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.checks import explain_failure
from infoflow.graph.running.comparison import are_close
from infoflow.graph.running.model_state import countable_attention
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.random_state import random_states_kept, seeded
from infoflow.graph.running.settings import plain_numbers
from infoflow.graph.tracing.interception import Key
from infoflow.graph.tracing.leaves import Leaves
from infoflow.graph.tracing.program import Program
from infoflow.graph.tracing.tensor_watch import Place, place_of, watch
from infoflow.interface import ActivationError, InfoflowError, PathWarning, warn
from infoflow.interface.errors import is_out_of_memory

Receive = Callable[[str, Any], None]


class Source:
    """Computes the values of chosen layers for one call, and hands each over when it is there.

    Parameters
    ----------
    program
        The recorded program.
    values
        The name of the layer whose value a node is.
    leaves
        The modules that were kept whole.
    events, trail
        Keys of the program's nodes, and of all calls of the recorded run.
    example
        The recorded call, None where there was none.
    gradients
        Whether the model differentiates and needs gradients to be on.

    Attributes
    ----------
    example
        The recorded call, None where there was none.
    ranks
        For each layer the number of dimensions of its value, and under no name that of the output,
        for the recorded batch.
    is_faithful
        Whether a replay stands for the model on any call; until that is proved, the model itself
        is run and watched.
    is_divisible
        Whether it is known of each operation, and tried, that a sample's values are the same in
        other batches.
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[fx.Node, str],
        leaves: Leaves,
        events: Mapping[fx.Node, Key],
        trail: tuple[Key, ...],
        *,
        example: Arguments | None = None,
        gradients: bool = False,
    ) -> None:
        self.program = program
        self.gradients = gradients
        self.ranks: dict[str, int] = {}
        self.is_faithful = self.is_divisible = False
        self._values = dict(values)
        self._nodes = {name: node for node, name in values.items()}
        self._leaves = leaves
        self._places = {name: place_of(node, events) for name, node in self._nodes.items()}
        self._way = _way(trail)
        self.example = example
        self._sample_shapes = None if example is None else example.sample_shapes
        self._suits = {} if example is None else {example.shapes: True}

    @property
    def model(self) -> nn.Module:
        """The model itself."""
        return self.program.model

    def visit(self, call: Arguments, names: Collection[str], receive: Receive) -> None:
        """Hand over the value of each of the layers ``names``, and stop after the last."""
        if not names:
            return
        own: list[Exception] = []
        gradients = torch.is_grad_enabled()

        def receive_and_note(name: str, value: Any) -> None:
            try:
                with plain_numbers(gradients=gradients):
                    receive(name, value)
            except Exception as error:
                own.append(error)  # what fails here is not the model
                raise

        try:
            with countable_attention(), torch.set_grad_enabled(self.gradients or gradients):
                run = self._replay if self._may_replay(call) else self._watch
                run(call, names, receive_and_note)
        except (InfoflowError, torch.OutOfMemoryError):
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if own:
                raise
            raise explain_failure(self.model, call, error, "this batch") from error

    @property
    def watchable(self) -> set[str]:
        """Layers whose value the watched model shows; others exist in the program only."""
        return {name for name, place in self._places.items() if place is not None}

    def replay_with(
        self,
        call: Arguments,
        change: Callable[[str, Any], Any],
        *,
        until: Collection[str] | None = None,
    ) -> Any:
        """Replay with each layer's value put through ``change``, and return the last value.

        That is the model's output, or, with ``until``, the value of the last of these layers.
        """
        last = None if until is None else self.program.latest([self._nodes[name] for name in until])

        def change_node(node: fx.Node, value: Any) -> Any:
            name = self._values.get(node)
            return value if name is None else change(name, value)

        value = None
        try:
            is_on = self.gradients or torch.is_grad_enabled()
            with countable_attention(), torch.set_grad_enabled(is_on):
                if self.is_faithful and not self._may_replay(call):
                    self._warn_of_another_path("at a comparison of sizes")
                for pair in self.program.run(call, last, change=change_node):
                    value = pair[1]
        except (InfoflowError, torch.OutOfMemoryError):
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise explain_failure(self.model, call, error, "this batch") from error
        return value

    def visit_all(self, call: Arguments, receive: Receive) -> None:
        """Hand over all values: of a replay, where it is faithful; else of the watched model."""
        if self._may_replay(call):
            self._replay(call, self._nodes, receive)
        else:
            self.watch_all(call, receive)

    def watch_all(self, call: Arguments, receive: Receive) -> Any:
        """Run the model itself, hand over all values that it computes, and return its output."""
        places = {place: name for name, place in self._places.items() if place is not None}
        return watch(self.model, call, self._leaves, places, receive, to_the_end=True).output

    def _may_replay(self, call: Arguments) -> bool:
        """Tell whether a replay stands for the model on a call; for new shapes, try it first."""
        if not self.is_faithful or self._sample_shapes is None:
            return self.is_faithful
        shapes = call.shapes
        if shapes not in self._suits:
            with random_states_kept():
                self._suits[shapes] = self._does_replay(call)
        return self._suits[shapes]

    def _does_replay(self, call: Arguments) -> bool:
        """Compare sizes as the model does, and, for samples of another shape, the outputs too."""
        try:
            if not self.program.goes_the_same_way(call):
                return False
            if call.sample_shapes == self._sample_shapes:
                return True
            with seeded():
                wanted = tensors_in(call.of(self.model))
            with seeded():
                *_, (_, output) = self.program.run(call)
        except Exception as error:  # whatever it is, the model's own run will tell
            if is_out_of_memory(error):
                raise
            return False
        return are_close(tensors_in(output), wanted)

    def _replay(self, call: Arguments, names: Collection[str], receive: Receive) -> None:
        wanted = {self._nodes[name]: name for name in names}
        for node, value in self.program.run(call, self.program.latest(list(wanted))):
            name = wanted.get(node)
            if name is not None:
                receive(name, value)

    def _watch(self, call: Arguments, names: Collection[str], receive: Receive) -> None:
        places: dict[Place, str] = {}
        for name in names:
            place = self._places[name]
            if place is None:
                raise ActivationError(
                    f"Layer {name} cannot be measured while the model runs: no single call gives "
                    "its value. Choose other layers=."
                )
            places[place] = name
        seen = watch(self.model, call, self._leaves, places, receive)
        missing, trail = seen.missing, seen.trail
        if missing:
            raise ActivationError(
                f"This batch took another path through {type(self.model).__name__} than the "
                f"example: {len(missing)} of {len(names)} layers were not computed, such as "
                f"{sorted(missing)[0]}. Choose layers= that every batch passes through."
            )
        way = _way(trail)
        pairs = zip(way, self._way, strict=False)
        parted = next((here for here, there in pairs if here != there), None)
        if parted is not None:
            module, operation = parted
            self._warn_of_another_path(f"at {operation or 'the call'} in {module or 'forward'}")

    def _warn_of_another_path(self, where: str) -> None:
        warn(
            f"A batch took another path through {type(self.model).__name__} than the example; "
            f"they part {where}. Layers are taken by name, so check that they are the same ones.",
            PathWarning,
        )


def _way(trail: Iterable[Key]) -> list[tuple[str, str]]:
    """Return the operations in the order of their first calls, however often a loop makes them."""
    return list(dict.fromkeys((place, operation) for place, operation, _ in trail))
