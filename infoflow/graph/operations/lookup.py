"""What the table of operations says of the nodes of a program."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from infoflow.graph.operations.operation import Operation, Role
from infoflow.graph.operations.operation_table import TABLE, named, of_module, own_function
from infoflow.graph.running.members import parameters_in


def operation_of(node: fx.Node, module: nn.Module | None = None) -> Operation:
    """Return the record of a node's operation; of an unknown one, one with a name alone.

    ``module`` is the one that a ``call_module`` node calls.
    """
    if module is not None:
        return of_module(module) or _unknown_module(module)
    if node.target is getattr and isinstance(node.args[1], str):
        attribute = node.args[1]
        known = TABLE.by_attribute.get(attribute) or TABLE.by_name.get(attribute)
        return known or Operation(name=attribute, family="other", multiply_adds=0)
    own = own_function(node.target)
    if own is not None:
        return own
    is_method = node.op == "call_method"
    name = str(node.target) if is_method else getattr(node.target, "__name__", "")
    known = (TABLE.exactly.get(name) if is_method else None) or named(name)
    return known or Operation(
        name=name.split(".")[0].strip("_") or str(node.target), family="other"
    )


def operation_name(node: fx.Node, module: nn.Module | None = None) -> str:
    """Return the field's usual name of a node's operation: ``operator.iadd`` is ``add``.

    ``module`` is the one that a ``call_module`` node calls: its name is its class's.
    """
    return operation_of(node).name if module is None else type(module).__name__


def role_of(
    node: fx.Node, module: nn.Module | None, *, has_weights: bool, value_of_argument: Any
) -> Role:
    """Return the role of a node that has at least one stream among its arguments.

    Parameters
    ----------
    node
        A ``call_module``, ``call_function`` or ``call_method`` node.
    module
        The module that it calls.
    has_weights
        Whether an argument of two or more dimensions is made of parameters alone.
    value_of_argument
        Type of its first argument's value: taking an item of a tuple is no slicing.
    """
    operation = operation_of(node, module)
    if module is not None:
        return operation.role
    if is_about_shape(node):
        return Role.SHAPE
    if node.meta.get("is_whole"):
        return Role.OVERWRITE
    if operation.role is not Role.KERNEL or has_weights or own_function(node.target):
        return operation.role
    is_item = operation.name == "getitem" and issubclass(value_of_argument, (tuple, list, dict))
    return Role.FOLLOW if is_item else Role.EDGE


def is_about_shape(node: fx.Node) -> bool:
    """Tell whether a function or method gives the size or the kind of a tensor, not its values."""
    if node.target == "fill_":
        return len(node.all_input_nodes) == 1
    return operation_of(node).role is Role.SHAPE


def arguments_of(node: fx.Node) -> list[fx.Node]:
    """Return the arguments whose values an operation uses, each once."""
    reads = operation_of(node).reads
    if reads == "first":
        return node.all_input_nodes[:1]
    if reads == "second":
        data = (*node.args, *node.kwargs.values())[1:2]
        return [argument for argument in data if isinstance(argument, fx.Node)]
    return node.all_input_nodes


def reduced_dimensions(node: fx.Node, rank: int) -> set[int] | None:
    """Return the dimensions that a mean or sum goes over; None where these are no plain numbers."""
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis"))
    dims = (dims,) if isinstance(dims, int) else dims
    if not isinstance(dims, (list, tuple)):
        return None
    found = {dim % rank for dim in dims if isinstance(dim, int)}
    return found if len(found) == len(dims) else None


def works_in_place(node: fx.Node, module: nn.Module | None) -> bool:
    """Tell whether a node overwrites its first argument."""
    if module is not None:
        return bool(getattr(module, "inplace", False))
    if node.op not in ("call_method", "call_function"):
        return False
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    is_method = name.endswith("_") and not name.endswith("__")
    return is_method or name in TABLE.in_place or bool(node.kwargs.get("inplace", False))


def _unknown_module(module: nn.Module) -> Operation:
    is_learned = any(parameter.ndim >= 2 for parameter in parameters_in(module))
    role = Role.KERNEL if is_learned else Role.EDGE
    return Operation(name=type(module).__name__, family="other", role=role)
