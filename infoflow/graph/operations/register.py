"""``infoflow.register_operation``: a function or a module of a user's own is one operation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function
from torch.utils import _pytree as pytree

from infoflow.graph.operations.operation import Cost, Operation, Passing, Role
from infoflow.graph.operations.operation_table import TABLE
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import is_flag, shown

_What = TypeVar("_What", bound=Callable[..., Any])

#: What a user's operation can be, in words.
Part = Literal["edge", "layer", "follow", "concatenation", "shape"]
_ROLES: dict[str, Role] = {
    "edge": Role.EDGE,
    "layer": Role.KERNEL,
    "follow": Role.FOLLOW,
    "concatenation": Role.CONCAT,
    "shape": Role.SHAPE,
}


def register_operation(
    what: _What,
    *,
    name: str | None = None,
    role: Part = "edge",
    kind: str = "",
    multiply_adds: Cost = None,
    elementwise: bool = False,
    channels: int | None = None,
    neutral: Literal[0, 1] | None = None,
    commutes: bool = True,
) -> _What:
    """Make a function or a class of modules one operation of layer graphs.

    A function is seen as one call, and a module is kept whole, instead of what they compute inside.

    Parameters
    ----------
    what
        A function of tensors, a function of ``torch.ops``, or a class of modules. A class is
        registered as it is; of a Python function, what is returned is what a model has to call.
    name
        What the operation is called; the function's or class's own name without it.
    role
        ``"edge"``: passes its streams on, and is a merge where they come from different layers;
        ``"layer"``: always a layer of its own; ``"follow"``: belongs to the layer before it, as an
        activation does; ``"concatenation"``: puts its streams side by side; ``"shape"``: uses only
        the shape of its arguments.
    kind
        What a merge in it is called; its name without it.
    multiply_adds
        What it costs: a function that takes an :class:`infoflow.OperationCall` and returns a
        whole number for all its samples, or None where that is not known; ``0``; ``"counted"``:
        what torch's own counter finds inside; None: not known.
    elementwise
        Whether every number of the result comes from one number, in the same place.
    channels
        The dimension of the result that counts channels, from the end (-1: the last one); without
        it, they are where the argument has them.
    neutral
        For an operation on two streams of which one can be left out: the number that stands for it,
        0 in a sum and 1 in a product. ``infoflow.prune`` then cuts it.
    commutes
        Whether either of the two can be left out; otherwise only the second.

    Returns
    -------
    Callable or type
        The class, or the function that a model has to call.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If something is registered twice or cannot be registered, or a setting has no meaning.

    Examples
    --------
    >>> import infoflow, torch
    >>> from torch import nn
    >>> def softly_added(one, other):
    ...     return one + 0.5 * other
    >>> softly_added = infoflow.register_operation(softly_added, neutral=0, multiply_adds=0)
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
    ...     def forward(self, x):
    ...         return softly_added(self.first(x), self.second(x))
    >>> infoflow.trace(Net(), torch.zeros(2, 4)).merges[0].kind
    'softly_added'
    """
    _check(what, role, multiply_adds, channels, neutral)
    _check_words(name, kind)
    is_flag("elementwise", elementwise)
    is_flag("commutes", commutes)
    is_module = isinstance(what, type)
    called = what if is_module or _is_dispatched(what) else _dispatched(what)
    label = name or _name_of(what)
    TABLE.own[_key(called)] = Operation(
        name=label,
        family="own",
        role=_ROLES[role],
        kind=kind,
        multiply_adds=multiply_adds,
        passing=Passing.ELEMENTWISE if elementwise else None,
        channels=channels,
        neutral=neutral,
        commutes=commutes,
    )
    return called  # type: ignore[return-value]


def _name_of(what: Any) -> str:
    """Return a function's or class's own name, without the overload of one of ``torch.ops``."""
    return str(getattr(_key(what), "__name__", "")).split(".")[0] or str(what)


def _key(what: Any) -> Any:
    """Return what a call of it is found by."""
    overload = getattr(what, "_opoverload", what)  # of torch.library.custom_op
    return getattr(overload, "_overloadpacket", overload)


def _is_dispatched(what: Any) -> bool:
    """Tell whether torch lets others see the calls of a function, as it does of its own."""
    return isinstance(
        what,
        (torch._ops.OpOverload, torch._ops.OpOverloadPacket, torch._library.custom_ops.CustomOpDef),
    )


def _dispatched(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let others see the calls of a Python function, by torch's own protocol for that."""

    @functools.wraps(function)
    def whole(*args: Any, **kwargs: Any) -> Any:
        leaves = pytree.tree_leaves((args, kwargs))
        tensors = tuple(leaf for leaf in leaves if isinstance(leaf, Tensor))
        if has_torch_function(tensors):
            return handle_torch_function(whole, tensors, *args, **kwargs)
        return function(*args, **kwargs)

    # torch.fx looks a function up by its module, which the apply of an autograd.Function lacks
    whole.__module__ = whole.__module__ or __name__
    return whole


def _check(what: Any, role: str, cost: Any, channels: Any, neutral: Any) -> None:
    label = getattr(what, "__qualname__", None) or repr(what)
    if isinstance(what, type) and not issubclass(what, nn.Module):
        raise ArgumentTypeError(
            f"register_operation takes a function or a class of modules, got the class {label}. "
            "Register a function that calls it."
        )
    if isinstance(what, nn.Module) or not callable(what):
        raise ArgumentTypeError(
            "register_operation takes a function or a class of modules, got an object of "
            f"{type(what).__name__}. Register its class."
        )
    if what in TABLE.by_class or _is_registered(what):
        raise ArgumentError(
            f"{label} has a record in the table of operations already. Register what has none, "
            "under a name of its own."
        )
    if role not in _ROLES:
        raise ArgumentError(f"role must be one of {', '.join(_ROLES)}, got {role!r}.")
    is_number = isinstance(cost, int) and not isinstance(cost, bool) and cost == 0
    if not (cost is None or is_number or cost == "counted" or callable(cost)):
        raise ArgumentError(
            "multiply_adds must be a function of an infoflow.OperationCall, 0, 'counted' or None "
            f"(not known), got {cost!r}. The cost of a call goes by its shapes: lambda call: "
            "call.output.numel() * 3."
        )
    if channels is not None and not (isinstance(channels, int) and channels < 0):
        raise ArgumentError(
            f"channels counts dimensions from the end and must be below 0, got {channels!r}. "
            "Maps of shape (N, channels, height, width) have channels=-3."
        )
    if neutral not in (None, 0, 1):
        raise ArgumentError(f"neutral must be 0 (a sum), 1 (a product) or None, got {neutral!r}.")


def _check_words(name: Any, kind: Any) -> None:
    for setting, value in (("name", "" if name is None else name), ("kind", kind)):
        if not isinstance(value, str):
            raise ArgumentTypeError(f"{setting} must be a text, got {shown(value)}.")


def _is_registered(what: Any) -> bool:
    """Tell whether a function or class is registered, itself or inside what was returned."""
    key = _key(what)
    return key in TABLE.own or any(getattr(own, "__wrapped__", None) is key for own in TABLE.own)


def forget_operation(what: Callable[..., Any]) -> None:
    """Take back what :func:`register_operation` did, for a function that it returned, or a class.

    Raises
    ------
    ArgumentError
        If it is not registered.
    """
    is_known = callable(what) and isinstance(what, Hashable)
    if not is_known or TABLE.own.pop(_key(what), None) is None:
        raise ArgumentError(
            f"{getattr(what, '__qualname__', repr(what))} is not registered. Pass what "
            "register_operation returned."
        )
