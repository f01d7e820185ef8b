"""Numbers that remember from which sizes they were computed.

While a model is recorded, ``x.shape[0]`` gives such a number. It behaves as the plain number does,
and when it arrives in a later operation, the program computes it again, so that the batch size of
the example is not baked in.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from torch import fx


class Origin:
    """How a number was computed, as a node of the program where it is needed."""

    def __init__(self, create: Callable[..., fx.Node], operation: Callable[..., Any], *args: Any):
        self.create = create
        self._operation = operation
        self._args = args
        self._node: fx.Node | None = None

    def node(self) -> fx.Node:
        """Return the node that computes the number, creating it at the first call."""
        if self._node is None:
            self._node = self.create(self._operation, *map(as_argument, self._args))
        return self._node


def as_argument(value: Any) -> Any:
    """Return the node of a number that has one, else the value itself."""
    return value.origin.node() if isinstance(value, (TracedInt, TracedFloat)) else value


def traced(value: Any, origin: Origin) -> Any:
    """Return an int or a float with its origin; anything else as it is."""
    if type(value) is int:
        return TracedInt.of(value, origin)
    if type(value) is float:
        return TracedFloat.of(value, origin)
    return value


class TracedInt(int):
    """An int that remembers its origin."""

    origin: Origin

    @classmethod
    def of(cls, value: int, origin: Origin) -> TracedInt:
        """Return ``value`` with its origin."""
        number = cls(value)
        number.origin = origin
        return number

    def __reduce__(self) -> tuple[Any, ...]:
        return int, (int(self),)


class TracedFloat(float):
    """A float that remembers its origin."""

    origin: Origin

    @classmethod
    def of(cls, value: float, origin: Origin) -> TracedFloat:
        """Return ``value`` with its origin."""
        number = cls(value)
        number.origin = origin
        return number

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (float(self),)


def _plain(value: Any) -> Any:
    if isinstance(value, TracedInt):
        return int(value)
    return float(value) if isinstance(value, TracedFloat) else value


def _binary(operation: Callable[[Any, Any], Any], *, is_reflected: bool) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        pair = (other, self) if is_reflected else (self, other)
        origin = Origin(self.origin.create, operation, *pair)
        return traced(operation(*map(_plain, pair)), origin)

    return method


def _unary(operation: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *digits: Any) -> Any:
        origin = Origin(self.origin.create, operation, self, *digits)
        return traced(operation(_plain(self), *digits), origin)

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    for _class in (TracedInt, TracedFloat):
        _operation = getattr(operator, _name)
        setattr(_class, f"__{_name}__", _binary(_operation, is_reflected=False))
        setattr(_class, f"__r{_name}__", _binary(_operation, is_reflected=True))
_ROUNDINGS: dict[str, Callable[..., Any]] = {
    "neg": operator.neg,
    "abs": operator.abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
}
for _name, _function in _ROUNDINGS.items():
    for _class in (TracedInt, TracedFloat):
        setattr(_class, f"__{_name}__", _unary(_function))
