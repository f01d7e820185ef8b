"""The tensors of a run that are alive, and where the program has them."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from infoflow.graph.running.memory import memory_of, same_place, version_of
from infoflow.graph.running.pytree import items_of

#: A function, and its second argument, by which a part of a value is read.
Way = tuple[Callable[..., Any], Any]


@dataclass(eq=False)
class Known:
    """A live tensor.

    Parameters
    ----------
    alive
        The tensor, held weakly: a recording must not keep every value of a net.
    node, path
        The node that gives it, and the way to it in the node's value.
    version
        How often its memory had been written to when the node was made.
    shape
        The node that reads its shape.
    """

    alive: weakref.ref[Tensor]
    node: fx.Node
    path: tuple[Way, ...]
    version: int
    shape: fx.Node | None = None


class LiveTensors:
    """Finds tensors by identity."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}

    def __getitem__(self, tensor: Tensor) -> Known:
        return self._known[id(tensor)]

    def find(self, tensor: Tensor) -> Known | None:
        """Return what is known of a tensor, None for one that was never added."""
        known = self._known.get(id(tensor))
        return known if known is not None and known.alive() is tensor else None

    def same_numbers(self, tensor: Tensor) -> Tensor | None:
        """Return a live tensor that is the same numbers in the same memory."""
        if memory_of(tensor) in (None, 0):
            return None
        others = (known.alive() for known in self._known.values())
        found = (
            other
            for other in others
            if other is not None and memory_of(other) and other.dtype == tensor.dtype
            and same_place(other, tensor)
        )  # fmt: skip
        return next(found, None)

    def add(self, tensor: Tensor, node: fx.Node, path: tuple[Way, ...] = ()) -> Known:
        """Note that ``node`` gives ``tensor``."""
        known = Known(weakref.ref(tensor), node, path, version_of(tensor))
        self._known[id(tensor)] = known
        return known

    def add_all(self, value: Any, node: fx.Node, path: tuple[Way, ...] = ()) -> None:
        """Note that ``node`` gives all tensors that are nested in ``value``."""
        if isinstance(value, Tensor):
            self.add(value, node, path)
            return
        for way, part in _ways(value):
            self.add_all(part, node, (*path, way))


def _ways(value: Any) -> list[tuple[Way, Any]]:
    """Return the parts of a container, each with how it is read."""
    if isinstance(value, Mapping):
        return [((operator.getitem, key), part) for key, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [((operator.getitem, position), part) for position, part in enumerate(value)]
    return [((getattr, name), part) for name, part in items_of(value) or ()]
