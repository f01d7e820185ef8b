"""The table of all operations, by the names, classes and functions that they are found by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

from torch import nn

from infoflow.graph.operations import elementwise, layers, norms, position_rules, products, shapes
from infoflow.graph.operations.operation import Operation

_Key = TypeVar("_Key")

#: Where torch's own functions live, and those that it knows by name.
_HOMES = ("torch", "torchvision", "_operator", "builtins", "math")
#: The namespaces of ``torch.ops`` whose functions are known by name.
_NAMESPACES = ("aten", "prims", "torchvision", "_operator")


@dataclass
class Table:
    """Records by what finds them.

    ``own`` holds what users have registered, by function or class.
    """

    by_name: dict[str, Operation] = field(default_factory=dict)
    exactly: dict[str, Operation] = field(default_factory=dict)
    by_attribute: dict[str, Operation] = field(default_factory=dict)
    by_class: dict[type[nn.Module], Operation] = field(default_factory=dict)
    by_class_name: dict[str, Operation] = field(default_factory=dict)
    in_place: set[str] = field(default_factory=set)
    own: dict[Any, Operation] = field(default_factory=dict)

    def add(self, operation: Operation) -> None:
        """Add a record; a ValueError where another one is found by the same."""
        self.in_place.update(operation.in_place)
        _put(self.by_name, operation.functions, operation)
        _put(self.exactly, operation.exactly, operation)
        _put(self.by_attribute, operation.attributes, operation)
        _put(self.by_class, operation.modules, operation)
        _put(self.by_class_name, operation.class_names, operation)


def _put(store: dict[_Key, Operation], keys: Iterable[_Key], operation: Operation) -> None:
    for key in keys:
        if key in store:
            raise ValueError(f"{key} is both {store[key].name} and {operation.name}")
        store[key] = operation


TABLE = Table()
for _operation in chain.from_iterable(
    family.OPERATIONS for family in (layers, products, elementwise, norms, position_rules, shapes)
):
    TABLE.add(_operation)


def named(name: str) -> Operation | None:
    """Return the record of a function or method by its name, None where there is none.

    Examples
    --------
    >>> named("iadd").name, named("softmax").family, named("no such thing")
    ('add', 'activation', None)
    """
    return TABLE.by_name.get(name.split(".")[0].strip("_"))


def of_module(module: nn.Module) -> Operation | None:
    """Return the record of a module's class, or of the nearest class that it inherits from."""
    own = TABLE.own.get(type(module)) or TABLE.by_class.get(type(module))
    if own is not None:
        return own
    known = (TABLE.own.get(kind) or TABLE.by_class.get(kind) for kind in type(module).__mro__)
    found = next((operation for operation in known if operation is not None), None)
    return found or TABLE.by_class_name.get(type(module).__name__)


def own_function(function: Any) -> Operation | None:
    """Return the record of a function that a user has registered."""
    if not TABLE.own or isinstance(function, str):
        return None
    for key in (function, getattr(function, "_overloadpacket", None)):
        try:
            found = TABLE.own.get(key)
        except TypeError:  # what has no hash was not registered
            return None
        if found is not None:
            return found
    return None


def either_can_go(kind: str) -> bool:
    """Tell whether a merge of this kind is a sum or a product that either operand can leave.

    Examples
    --------
    >>> either_can_go("add"), either_can_go("sub"), either_can_go("attention")
    (True, False, False)
    """
    known = [named(kind), *(own for own in TABLE.own.values() if own.usual_kind == kind)]
    return any(o is not None and o.neutral is not None and o.commutes for o in known)


def is_own_module(module: nn.Module) -> bool:
    """Tell whether a user has registered a module's class: it is kept whole."""
    return type(module) in TABLE.own


def operation_of_call(target: Any, module: nn.Module | None) -> Operation | None:
    """Return the record that the cost of a call is told by, None where none is certain.

    A function of the same name in somebody's package, and a module with a ``forward`` of its own,
    may do something else than the record says.
    """
    if module is not None:
        return of_module(module) if _computes_as_known(module) else None
    if isinstance(target, str):
        return TABLE.exactly.get(target) or named(target)
    own = own_function(target)
    if own is not None:
        return own
    return named(getattr(target, "__name__", "")) if _is_torchs(target) else None


def _computes_as_known(module: nn.Module) -> bool:
    """Tell whether a module computes as the class does that has a record."""
    if "forward" in module.__dict__:
        return False
    for kind in type(module).__mro__:
        if kind in TABLE.own or kind in TABLE.by_class:
            return True
        if {"forward", "_conv_forward"} & set(vars(kind)):
            return False
    return False


def _is_torchs(function: Callable[..., Any]) -> bool:
    home = getattr(function, "__module__", None)
    if home is None:
        return True  # methods of tensors
    if home.startswith("torch._ops."):
        return home.split(".")[2] in _NAMESPACES
    return home.split(".")[0] in _HOMES
