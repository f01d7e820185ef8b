"""What torch's functions read of a tensor: its values, its size, or neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from infoflow.graph.operations.operation_table import named
from infoflow.graph.running.pytree import tensors_in

#: Reading these from a tensor says nothing of its values.
ABOUT = {
    getattr(Tensor, name).__get__
    for name in (
        *("dtype", "device", "layout", "ndim", "requires_grad", "is_leaf", "grad_fn", "grad"),
        *("is_cuda", "is_cpu", "is_meta", "is_mps", "is_quantized", "is_sparse", "is_nested"),
        *("_version", "itemsize", "nbytes", "names", "is_xpu", "is_mkldnn", "_backward_hooks"),
    )
    if hasattr(Tensor, name)
} | {
    getattr(Tensor, name)
    for name in (
        *("dim", "ndimension", "stride", "is_floating_point", "is_complex", "is_contiguous"),
        *("data_ptr", "untyped_storage", "storage", "storage_offset", "element_size", "get_device"),
        *("is_signed", "is_pinned", "__hash__", "__repr__", "__format__", "type"),
        *("has_names", "is_inference", "is_conj", "is_neg", "_is_view", "register_hook"),
    )
    if hasattr(Tensor, name)
}
ABOUT -= {Tensor.type}  # with an argument it converts
SHAPE = Tensor.shape.__get__  # type: ignore[attr-defined]
#: Reading these from a tensor says only how large it is.
SIZES = {SHAPE, Tensor.size, Tensor.numel, Tensor.nelement, torch.ops.aten.sym_size.int}
#: Reading these turns values into numbers of Python, on which the path may then depend.
_VALUES = {
    getattr(Tensor, name)
    for name in (
        *("item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__"),
        *("__complex__", "__contains__", "__array__", "is_nonzero", "equal", "allclose"),
    )
    if hasattr(Tensor, name)
} | {torch.equal, torch.allclose, torch.is_nonzero}


#: Of these, the ones that give all values at once, from which a new tensor may be made.
_ALL_VALUES = {Tensor.tolist, Tensor.numpy, Tensor.__array__}
#: Functions that make a tensor of numbers that are no tensor.
_FROM_NUMBERS = {torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy}


def reads_values(function: Any) -> bool:
    """Tell whether a function turns values into numbers of Python."""
    return function in _VALUES


def reads_all_values(function: Any) -> bool:
    """Tell whether a function gives all values of a tensor, as NumPy's array or as a list."""
    return function in _ALL_VALUES


def varies_in_shape(function: Any, args: Sequence[Any]) -> bool:
    """Tell whether the shape of a function's result depends on values of its arguments."""
    if function is Tensor.__getitem__:
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors_in(args[1]))
    name = operation_key(function)
    if name == "where":
        return len(args) == 1  # the places, not a choice between two values
    operation = named(name)
    return operation is not None and operation.varies_in_shape


def counts_rows(function: Any) -> bool:
    """Tell whether a function makes a number, or as many parts, of how long a tensor is."""
    return function is Tensor.__len__ or operation_key(function) == "unbind"


def is_from_numbers(function: Any) -> bool:
    """Tell whether a function makes a tensor of numbers that are no tensor."""
    return function in _FROM_NUMBERS


def operation_key(function: Callable[..., Any]) -> str:
    """Return the name of a function; of what reads a property, the property's."""
    name = getattr(function, "__name__", str(function))
    owner = getattr(function, "__self__", None) if name == "__get__" else None
    return str(getattr(owner, "__name__", name))
