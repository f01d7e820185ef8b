"""Whether every operation of a program computes a sample's values from that sample alone.

Trying other batches cannot show it: a net that gives each expert a few samples only, say, meets its
limit in some batches and not in others. So only operations that are known count, and the first
dimension of every value stays that of the samples.
"""

from __future__ import annotations

from typing import Any

from torch import fx, nn
from torch.nn.modules import activation, batchnorm, conv, dropout, padding, pooling

from infoflow.graph.tracing.program import Program

_MODULES = (
    *(conv._ConvNd, nn.Linear, nn.Identity, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle),
    *(nn.GroupNorm, nn.LocalResponseNorm, dropout._DropoutNd),
    *(pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._AdaptiveAvgPoolNd),
    *(pooling._AdaptiveMaxPoolNd, pooling._LPPoolNd),
    *(padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish),
    *(nn.LogSigmoid, nn.PReLU, nn.Threshold, activation.Tanhshrink),
)
#: Functions and methods of numbers by themselves, or of two tensors number by number.
_NUMBERS = frozenset(
    (
        *("add", "sub", "mul", "div", "true_divide", "neg", "abs", "square", "sqrt", "exp"),
        *("clamp", "clamp_min", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu"),
        *("mish", "sigmoid", "tanh", "softplus", "hardtanh", "hardsigmoid", "hardswish"),
        *("add_", "sub_", "mul_", "div_", "relu_", "sigmoid_", "tanh_", "__add__", "__radd__"),
        *("__iadd__", "__sub__", "__rsub__", "__isub__", "__mul__", "__rmul__", "__imul__"),
        *("__truediv__", "__neg__", "contiguous"),
    )
)
#: Functions that work along the dimensions after the first.
_PLACES = frozenset(
    (
        *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"),
        *("conv_transpose3d", "linear", "max_pool1d", "max_pool2d", "max_pool3d"),
        *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d"),
        *("adaptive_avg_pool2d", "adaptive_avg_pool3d", "group_norm", "interpolate"),
    )
)
#: Functions whose argument names dimensions, and its place.
_ALONG = {"cat": 1, "flatten": 1, "mean": 1}


def is_sample_wise(program: Program) -> bool:
    """Tell whether a program is known to compute each sample by itself, in evaluation mode.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet
    >>> graph = infoflow.trace(UNet(base_channels=4), torch.zeros(2, 3, 32, 32))
    >>> is_sample_wise(graph.program)
    True
    """
    inputs = [node for node in program.nodes if node.op == "placeholder"]
    return (
        len(inputs) == 1
        and not program.compares_sizes
        and all(_is_known(program, node) for node in program.nodes)
    )


def _is_known(program: Program, node: fx.Node) -> bool:
    if node.op in ("placeholder", "output", "get_attr"):
        return True
    if node.op == "call_module":
        return _is_known_module(program.module(node))
    name = getattr(node.target, "__name__", str(node.target))
    if name == "getattr":
        return bool(node.args[1] == "shape") and all(map(_takes_a_size, node.users))
    if name == "getitem":
        return _takes_a_size(node)
    if name == "batch_norm":
        return not _argument(node, 5, "training", False)
    if name in _ALONG:
        return _are_later(node, _ALONG[name])
    return not _writes_state(node, name) and (name in _NUMBERS or name in _PLACES)


def _writes_state(node: fx.Node, name: str) -> bool:
    """Tell whether a node changes what the model keeps from call to call."""
    source = node.args[0] if node.args else None
    is_state = isinstance(source, fx.Node) and source.op == "get_attr"
    return is_state and name.endswith("_") and (name[:2] != "__" or name[:3] == "__i")


def _is_known_module(module: nn.Module | None) -> bool:
    if not type(module).__module__.startswith("torch.nn."):
        return False
    if isinstance(module, batchnorm._BatchNorm):
        return module.running_mean is not None
    if isinstance(module, nn.Flatten):
        return bool(module.start_dim >= 1)
    return isinstance(module, _MODULES)


def _takes_a_size(node: fx.Node) -> bool:
    """Tell whether a node takes the size of a dimension after the first from a shape."""
    source = node.args[0] if node.args else None
    name = getattr(node.target, "__name__", "")
    if name != "getitem" or not isinstance(source, fx.Node):
        return False
    is_of_shape = getattr(source.target, "__name__", "") == "getattr"
    place = node.args[1]
    return is_of_shape and isinstance(place, int) and bool(place >= 1)


def _are_later(node: fx.Node, place: int) -> bool:
    """Tell whether the dimensions that a node names are after the first."""
    named = next((n for n in ("dim", "start_dim", "axis") if n in node.kwargs), "dim")
    dims: Any = _argument(node, place, named, 0)
    several = dims if isinstance(dims, (list, tuple)) else (dims,)
    return bool(several) and all(isinstance(dim, int) and dim >= 1 for dim in several)


def _argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)
