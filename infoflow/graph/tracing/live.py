"""The tensors of a run that are alive, and where the program has them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from infoflow.graph.tracing.nesting import items_of
from infoflow.graph.tracing.writes import version_of


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
    path: tuple[Any, ...]
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

    def add(self, tensor: Tensor, node: fx.Node, path: tuple[Any, ...] = ()) -> Known:
        """Note that ``node`` gives ``tensor``."""
        known = Known(weakref.ref(tensor), node, path, version_of(tensor))
        self._known[id(tensor)] = known
        return known

    def add_all(self, value: Any, node: fx.Node, path: tuple[Any, ...] = ()) -> None:
        """Note that ``node`` gives all tensors that are nested in ``value``."""
        if isinstance(value, Tensor):
            self.add(value, node, path)
            return
        is_sequence = isinstance(value, (list, tuple))
        for position, (name, part) in enumerate(items_of(value) or ()):
            self.add_all(part, node, (*path, position if is_sequence else name))
