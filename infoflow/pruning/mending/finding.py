"""Which nodes of a program are linear layers or convolutions, and where their weights lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from infoflow.graph.operations.lookup import operation_name, operation_of
from infoflow.graph.operations.operation import Operation
from infoflow.graph.operations.operation_table import of_module
from infoflow.pruning.mending.kernels import Kernel

#: Finds the value of a node.
Look = Callable[[fx.Node], Tensor]

#: Other names that torch gives to these arguments.
_SYNONYMS = {"mat1": "input", "mat2": "weight", "other": "weight", "self": "input"}


@dataclass(frozen=True)
class Place:
    """A layer that can be refitted.

    Parameters
    ----------
    node
        The node that computes it.
    values
        The nodes that it reads.
    kernel
        What it computes.
    weight, bias
        Qualified names of its parameters; no bias where it has none.
    parameters
        The nodes that read these parameters, where a function computes the layer.
    part
        First row, and number of rows, of the parameters that are the layer's; None for all.
    compute
        Makes what the layer reads from the values of nodes; None where it reads one value itself.
    """

    node: fx.Node
    values: tuple[fx.Node, ...]
    kernel: Kernel
    weight: str
    bias: str | None
    parameters: tuple[fx.Node, ...] = ()
    part: tuple[int, int] | None = None
    compute: Callable[[Look], Tensor] | None = None

    @property
    def name(self) -> str:
        """The layer's module, or its weights where a function computes it."""
        return self.weight.removesuffix("weight").rstrip("._") or self.weight

    def features(self, look: Look) -> Tensor:
        """Return what the layer reads."""
        return look(self.values[0]) if self.compute is None else self.compute(look)

    def weights(self, net: nn.Module) -> tuple[Tensor, Tensor | None]:
        """Return the weights and the bias; writing to them changes the net."""
        found = [attribute(net, name) for name in (self.weight, self.bias) if name is not None]
        if self.part is not None:
            found = [tensor.detach().narrow(0, *self.part) for tensor in found]
        return found[0], found[1] if len(found) > 1 else None


def kernel_of_module(module: Any) -> Kernel | None:
    """Return what a linear layer or convolution computes, None for other modules.

    Examples
    --------
    >>> from torch import nn
    >>> kernel_of_module(nn.Conv2d(3, 8, 3)).unknowns
    27
    """
    operation = of_module(module)
    if operation is None or operation.weight_inputs is None:
        return None
    shape = tuple(module.weight.shape)
    if operation.positions is None:
        return Kernel("linear", shape)
    if operation.weight_inputs == 1:
        return _convolution(
            shape,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
            "constant" if module.padding_mode == "zeros" else module.padding_mode,
        )
    return _transposed(shape, module.stride, module.padding, module.dilation, module.groups)


def _convolution(
    shape: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    padding_mode: str = "constant",
) -> Kernel:
    number = len(shape) - 2
    gaps = _each(dilation, number)
    reaches = [(size - 1) * gap for size, gap in zip(shape[2:], gaps, strict=True)]
    if padding == "same":  # the odd one goes behind, as torch does it
        pairs = tuple((reach // 2, reach - reach // 2) for reach in reaches)
    elif padding == "valid":
        pairs = ((0, 0),) * number
    else:
        pairs = tuple((one, one) for one in _each(padding, number))
    return Kernel("convolution", shape, _each(stride, number), pairs, gaps, padding_mode, groups)


def _transposed(
    shape: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: int
) -> Kernel:
    number = len(shape) - 2
    pairs = tuple((one, one) for one in _each(padding, number))
    gaps = _each(dilation, number)
    return Kernel("transposed", shape, _each(stride, number), pairs, gaps, "constant", groups)


def _each(value: Any, number: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * number if len(values) == 1 else values


class UnmendableError(Exception):
    """A layer cannot be refitted; the message says why."""


def place_of(node: fx.Node, net: nn.Module) -> Place | None:
    """Return the layer that a node computes, None where it is none that can be refitted.

    Raises
    ------
    UnmendableError
        If it is a linear layer or convolution, but its weights are computed from others.
    """
    if node.op == "call_module":
        module = net.get_submodule(str(node.target))
        kernel = kernel_of_module(module)
        value = _first(node)
        if kernel is None or value is None:
            return None
        if "weight" not in module._parameters or module._forward_pre_hooks:
            raise UnmendableError("its weights are computed from others")
        bias = None if module.bias is None else f"{node.target}.bias"
        return Place(node, (value,), kernel, f"{node.target}.weight", bias)
    return _function(node, net) if node.op in ("call_function", "call_method") else None


def _first(node: fx.Node) -> fx.Node | None:
    value = node.args[0] if node.args else node.kwargs.get("input")
    return value if isinstance(value, fx.Node) else None


def _function(node: fx.Node, net: nn.Module) -> Place | None:
    operation = operation_of(node)
    if not operation.arguments:
        return None
    given: dict[str, Any] = dict(zip(operation.arguments, node.args, strict=False))
    given.update({_SYNONYMS.get(key, key): value for key, value in node.kwargs.items()})
    value, weight, bias = given.get("input"), given.get("weight"), given.get("bias")
    if not isinstance(value, fx.Node) or not isinstance(weight, fx.Node):
        return None
    weight, is_turned = _behind_transpose(weight)
    if not _is_parameter(weight, net):
        return None
    if given.get("alpha", 1) != 1 or given.get("beta", 1) != 1:
        raise UnmendableError("addmm scales what it adds")
    if bias is not None and not _is_parameter(bias, net):
        raise UnmendableError("its bias is computed from other tensors")
    shape = tuple(attribute(net, str(weight.target)).shape)
    kernel = _kernel_of_function(operation, shape, given, is_turned)
    if kernel is None:
        return None
    if bias is not None and tuple(attribute(net, str(bias.target)).shape) != (kernel.outputs,):
        raise UnmendableError("its bias is no number for each output")
    reads = (weight, bias) if isinstance(bias, fx.Node) else (weight,)
    bias_name = None if bias is None else str(bias.target)
    return Place(node, (value,), kernel, str(weight.target), bias_name, reads)


def _kernel_of_function(
    operation: Operation, shape: tuple[int, ...], given: dict[str, Any], is_turned: bool
) -> Kernel | None:
    if operation.positions is None:
        if len(shape) != 2:
            return None
        has_rows_of_outputs = operation.weight_inputs == 1
        return Kernel("linear" if has_rows_of_outputs != is_turned else "matrix", shape)
    if is_turned:
        return None
    build = _convolution if operation.weight_inputs == 1 else _transposed
    stride, padding = given.get("stride", 1), given.get("padding", 0)
    return build(shape, stride, padding, given.get("dilation", 1), given.get("groups", 1))


def _behind_transpose(node: fx.Node) -> tuple[fx.Node, bool]:
    """Return the parameter behind a transposition, and whether there is one."""
    before = node.all_input_nodes
    if node.op == "get_attr":
        return node, False
    if operation_name(node) in ("t", "T", "mT", "transpose", "swapaxes") and len(before) == 1:
        return before[0], True
    return node, False


def _is_parameter(node: object, net: nn.Module) -> bool:
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return False
    return isinstance(attribute(net, str(node.target)), nn.Parameter)


def attribute(net: nn.Module, name: str) -> Any:
    """Return a module's parameter, buffer or other attribute by its qualified name."""
    place, _, last = name.rpartition(".")
    return getattr(net.get_submodule(place), last, None)
