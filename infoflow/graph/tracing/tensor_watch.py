"""Take values while the model itself runs, where a recorded program would not be faithful."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.tracing.interception import Interceptor, Key, Keys
from infoflow.graph.tracing.leaves import Leaves
from infoflow.graph.tracing.value_reads import SIZES, operation_key, reads_values

_NO_CALLS = SIZES | {Tensor.__len__}
#: A call's key, and the way from its result to a value.
Place = tuple[Key, tuple[Any, ...]]


@dataclass(frozen=True)
class Watched:
    """What a watched run has shown.

    Parameters
    ----------
    missing
        The names of the values that did not appear.
    trail
        The calls that were made.
    output
        What the model returned; None where the run was ended before.
    """

    missing: set[Any]
    trail: list[Key]
    output: Any


class _Enough(BaseException):
    """Ends a run when all values are there; no ``except Exception`` of a model may catch it."""


def place_of(node: fx.Node, events: Mapping[fx.Node, Key]) -> Place | None:
    """Return where a node's value appears in a run, None where no single call gives it."""
    path: list[Any] = []
    while node not in events:
        if node.op != "call_function" or node.target not in (operator.getitem, getattr):
            return None
        source, item = node.args[0], node.args[1]
        if not isinstance(source, fx.Node) or isinstance(item, (fx.Node, slice)):
            return None
        path.insert(0, (node.target, item))
        node = source
    return events[node], tuple(path)


def watch(
    model: nn.Module,
    call: Arguments,
    leaves: Leaves,
    places: Mapping[Place, Any],
    receive: Callable[[Any, Any], None],
    *,
    to_the_end: bool = False,
) -> Watched:
    """Run ``model`` and hand over each wanted value when it is there.

    Parameters
    ----------
    places
        What to name each wanted value, by its place.
    receive
        Called with the name and the value, which a later operation may overwrite in place.
    to_the_end
        Whether the run goes on when all values are there.
    """
    watcher = _Watcher(leaves, places, receive, to_the_end=to_the_end)
    output = None
    copied = call.map(torch.clone)
    try:
        with watcher.watching():
            output = model(*copied.args, **copied.kwargs)
    except _Enough:
        pass
    return Watched(watcher.missing, watcher.trail, output)


class _Watcher(Interceptor):
    def __init__(
        self,
        leaves: Leaves,
        places: Mapping[Place, Any],
        receive: Callable[[Any, Any], None],
        *,
        to_the_end: bool,
    ) -> None:
        super().__init__(leaves)
        self._to_the_end = to_the_end
        self.trail: list[Key] = []
        self._keys = Keys(self.trail)
        self._receive = receive
        self._wanted: dict[Key, list[tuple[tuple[Any, ...], Any]]] = {}
        for (key, path), name in places.items():
            self._wanted.setdefault(key, []).append((path, name))
        self.missing = set(places.values())

    def on_module(
        self, name: str, module: nn.Module, call: Callable[[], Any], args: Any, kwargs: Any
    ) -> Any:
        key = self._keys.next([(name, type(module))], "")
        result = call()
        self._show(key, result)
        return result

    def on_function(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        operation = operation_key(function)
        if function in _NO_CALLS or operation == "__set__" or reads_values(function):
            return function(*args, **kwargs)
        key = self._keys.next(self.path, operation)
        result = function(*args, **kwargs)
        self._show(key, args[0] if function is Tensor.__setitem__ else result)
        return result

    def _show(self, key: Key, result: Any) -> None:
        for path, name in self._wanted.get(key, ()):
            value = result
            for function, item in path:
                value = function(value, item)
            self._receive(name, value)
            self.missing.discard(name)
        if not self.missing and not self._to_the_end:
            raise _Enough
