"""Numbers that remember from which sizes they were computed.

While a model is recorded, ``x.shape[0]`` gives such a number. It behaves as the plain number does,
and when it arrives in a later operation, the program computes it again, so that the batch size of
the example is not baked in. What it is compared with is noted: where a later input has another
outcome, the model takes another path.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Self

from torch import fx


class Ledger:
    """The numbers of one recording, and the outcomes of their comparisons.

    Parameters
    ----------
    create
        Makes the node of a function of nodes and numbers.

    Attributes
    ----------
    outcomes
        For the node of each comparison what it gave.
    is_paused
        Whether comparisons are torch's own business.
    """

    def __init__(self, create: Callable[..., fx.Node]) -> None:
        self.create: Callable[..., fx.Node] | None = create
        self.outcomes: dict[fx.Node, bool] = {}
        self.is_paused = False
        self._seen: set[tuple[Any, ...]] = set()

    def close(self) -> None:
        """Make plain numbers of those that the model has kept."""
        self.create = None

    def compared(self, operation: Callable[..., bool], *args: Any) -> bool:
        """Make a comparison, note its outcome, and return it."""
        outcome = bool(operation(*map(_plain, args)))
        if self.create is not None and not self.is_paused:
            nodes = tuple(map(as_argument, args))
            if (operation, nodes) not in self._seen:
                self._seen.add((operation, nodes))
                self.outcomes[self.create(operation, *nodes)] = outcome
        return outcome


class Origin:
    """How a number was computed, as a node of the program where it is needed."""

    def __init__(self, ledger: Ledger, operation: Callable[..., Any], *args: Any):
        self.ledger = ledger
        self._operation = operation
        self._args = args
        self._node: fx.Node | None = None

    def node(self) -> fx.Node | None:
        """Return the node that computes the number; None where the recording is over."""
        if self.ledger.create is None:
            return None
        if self._node is None:
            self._node = self.ledger.create(self._operation, *map(as_argument, self._args))
        return self._node


def as_argument(value: Any) -> Any:
    """Return the node of a number that has one, else the value itself."""
    if not isinstance(value, TracedNumber):
        return value
    node = value.origin.node()
    return _plain(value) if node is None else node


def traced(value: Any, origin: Origin) -> Any:
    """Return an int or a float with its origin; anything else as it is."""
    if type(value) is int:
        return TracedInt.of(value, origin)
    if type(value) is float:
        return TracedFloat.of(value, origin)
    return value


class TracedNumber:
    """A number that remembers its origin."""

    origin: Origin

    @classmethod
    def of(cls, value: float, origin: Origin) -> Self:
        """Return ``value`` with its origin."""
        number = cls(value)  # type: ignore[call-arg]
        number.origin = origin
        return number


class TracedInt(TracedNumber, int):
    """An int that remembers its origin."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, (int(self),)


class TracedFloat(TracedNumber, float):
    """A float that remembers its origin."""

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
        origin = Origin(self.origin.ledger, operation, *pair)
        return traced(operation(*map(_plain, pair)), origin)

    return method


def _unary(operation: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *digits: Any) -> Any:
        origin = Origin(self.origin.ledger, operation, self, *digits)
        return traced(operation(_plain(self), *digits), origin)

    return method


def _comparison(operation: Callable[..., bool]) -> Callable[..., Any]:
    def method(self: Any, *other: Any) -> Any:
        if not all(isinstance(number, (int, float)) for number in other):
            return NotImplemented
        return self.origin.ledger.compared(operation, self, *other)

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
_COMPARISONS: dict[str, Callable[..., bool]] = {
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "bool": operator.truth,
}
for _name, _comparing in _COMPARISONS.items():
    for _class in (TracedInt, TracedFloat):
        setattr(_class, f"__{_name}__", _comparison(_comparing))
