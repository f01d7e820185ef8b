"""What an operation means for the flow of information: a layer, a part of one, or an edge."""

from __future__ import annotations

from enum import Enum
from typing import Any

from torch import fx, nn

from infoflow.graph.tracing.program_functions import as_written, set_item


class Role(Enum):
    """The part that an operation plays in a layer graph."""

    KERNEL = "a learned map with weights of two or more dimensions"
    CONCAT = "puts streams side by side and loses nothing"
    WRITE = "writes streams into a part of a tensor"
    OVERWRITE = "gives its first argument the value of another"
    FOLLOW = "belongs to the layer before it, where it is the only reader"
    SHAPE = "depends on the shape of its argument only"
    EDGE = "passes its streams on; a merge, where they come from different layers"


_FOLLOWING_MODULES = {
    f"torch.nn.modules.{file}"
    for file in (
        *("activation", "batchnorm", "channelshuffle", "dropout", "flatten", "instancenorm"),
        *("normalization", "pixelshuffle"),
    )
}
_CONCAT = {
    *("concat", "stack"),
    *("hstack", "vstack", "dstack", "column_stack", "row_stack"),
}
_SHAPE = {
    *("size", "dim", "ndimension", "numel", "stride", "is_floating_point", "assert"),
    *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"),
    *("new_zeros", "new_ones", "new_full", "new_empty"),
}
#: Methods that put numbers of their own in the place of a tensor's.
_REFILL = {"zero_", "normal_", "uniform_", "random_", "exponential_", "log_normal_"}
_OVERWRITE = {"copy", "overwritten"}
_SHAPE_ATTRIBUTES = {"shape", "dtype", "device", "ndim", "requires_grad", "is_cuda", "layout"}
_KERNEL = {
    *("linear", "bilinear", "embedding", "embedding_bag", "multi_head_attention_forward"),
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("matmul", "mm", "mv", "bmm", "addmm", "baddbmm", "einsum", "tensordot"),
    *("deform_conv2d", "shifted_window_attention"),
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"),
    # tables and code books
    *("getitem", "index_select", "gather", "cdist"),
}
_FOLLOW = {
    # activations
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu"),
    *("mish", "glu", "sigmoid", "logsigmoid", "tanh", "softmax", "log_softmax", "softmin"),
    *("softplus", "softsign", "tanhshrink", "hardtanh", "hardswish", "hardsigmoid", "hardshrink"),
    *("softshrink", "threshold", "clamp", "clip", "exp", "log", "log1p", "sqrt", "rsqrt"),
    *("square", "pow", "abs", "neg", "sin", "cos", "erf", "reciprocal"),
    # norms and dropout
    *("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "normalize"),
    *("local_response_norm", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"),
    *("feature_alpha_dropout", "stochastic_depth"),
    # arithmetic with what is no stream: scalars, parameters, masks made from shapes
    *("add", "sub", "rsub", "mul", "div", "addcmul", "masked_fill", "where"),
    # reshapes
    *("view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "permute", "transpose"),
    *("swapaxes", "swapdims", "movedim", "moveaxis", "t", "contiguous", "squeeze", "unsqueeze"),
    *("T", "mT", "H", "mH", "data", "real", "rename", "refine_names", "expand_as"),
    *("roll", "flip", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    *("to", "type", "type_as", "float", "half", "double", "bfloat16", "clone", "detach"),
    *("requires_grad", "new_tensor", "packed"),
}
#: Of their other arguments these use the shape or the dtype alone.
_LIKE_ANOTHER = {"view_as", "reshape_as", "expand_as", "type_as", "to"}
_ELEMENTWISE_MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Tanhshrink, nn.Hardtanh),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Hardshrink, nn.Softshrink, nn.Threshold, nn.RReLU),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.Identity),
)
_ELEMENTWISE = {
    *("relu", "relu6", "leaky_relu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish"),
    *("sigmoid", "logsigmoid", "tanh", "softplus", "softsign", "tanhshrink", "hardtanh"),
    *("hardswish", "hardsigmoid", "hardshrink", "softshrink", "threshold", "clamp", "clip"),
    *("exp", "log", "log1p", "sqrt", "rsqrt", "square", "pow", "abs", "neg", "sin", "cos", "erf"),
    *("reciprocal", "add", "sub", "rsub", "mul", "div"),
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"),
    *("contiguous", "clone", "detach", "float", "half", "double", "bfloat16"),
}
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
#: Functions on the positions within a channel.
SPATIAL = {
    *("interpolate", "upsample", "upsample_bilinear", "upsample_nearest", "pad"),
    *(f"{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2, 3)),
    *(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)),
}
SPATIAL_FILES = {f"torch.nn.modules.{file}" for file in ("pooling", "upsampling", "padding")}
PER_CHANNEL_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
_STATISTICS = {"mean", "sum", "var", "std", "amax", "amin", "norm", "vector_norm", "expand"}
_SYNONYMS = {
    name: usual
    for usual, names in {
        "add": ("iadd", "radd"),
        "sub": ("isub", "subtract"),
        "mul": ("imul", "rmul", "multiply"),
        "div": ("truediv", "itruediv", "rtruediv", "true_divide", "divide"),
        "pow": ("rpow",),
        "matmul": ("imatmul",),
        "concat": ("cat", "concatenate"),
        "abs": ("absolute",),
        "neg": ("negative",),
        "attention": ("scaled_dot_product_attention",),
        "index write": (
            *("set_item", "as_written", "index_put", "index_copy", "masked_scatter", "scatter"),
            *("slice_scatter", "select_scatter", "diagonal_scatter", "index_add", "scatter_add"),
        ),
    }.items()
    for name in names
}


def operation_name(node: fx.Node, module: nn.Module | None = None) -> str:
    """Return the field's usual name of a node's operation: ``operator.iadd`` is ``add``.

    ``module`` is the one that a ``call_module`` node calls.
    """
    if module is not None:
        return type(module).__name__
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    name = name.split(".")[0].strip("_") or str(node.target)
    if name == "getattr" and isinstance(node.args[1], str):
        name = node.args[1]
    return _SYNONYMS.get(name, name)


def is_about_shape(node: fx.Node) -> bool:
    """Tell whether a function or method gives the size or the kind of a tensor, not its values."""
    if node.op == "call_method" and node.target in _REFILL:
        return True
    if node.target == "fill_":
        return len(node.all_input_nodes) == 1
    name = operation_name(node)
    return name in _SHAPE or (node.target is getattr and name in _SHAPE_ATTRIBUTES)


def arguments_of(node: fx.Node) -> list[fx.Node]:
    """Return the arguments whose values an operation uses, each once."""
    name = operation_name(node)
    if name in _LIKE_ANOTHER:
        return node.all_input_nodes[:1]
    if name == "new_tensor":
        data = (*node.args, *node.kwargs.values())[1:2]
        return [argument for argument in data if isinstance(argument, fx.Node)]
    return node.all_input_nodes


def is_statistic(node: fx.Node) -> bool:
    """Tell whether a function reduces a tensor to what a norm needs of it."""
    return operation_name(node) in _STATISTICS


def is_elementwise(node: fx.Node, module: nn.Module | None = None) -> bool:
    """Tell whether every number of the result comes from one number, in the same place.

    ``module`` is the one that a ``call_module`` node calls.
    """
    if module is not None:
        return isinstance(module, _ELEMENTWISE_MODULES)
    return operation_name(node) in _ELEMENTWISE


def is_per_channel(node: fx.Node, module: nn.Module | None = None) -> bool:
    """Tell whether a norm, pooling or padding treats the channels (dimension 1) one by one."""
    if module is None:
        return operation_name(node) in {"batch_norm", "instance_norm", *SPATIAL}
    is_norm = isinstance(module, (*PER_CHANNEL_NORMS, nn.PReLU))
    return is_norm or type(module).__module__ in SPATIAL_FILES


def reduced_dimensions(node: fx.Node, rank: int) -> set[int] | None:
    """Return the dimensions that a mean or sum goes over; None where these are no plain numbers."""
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis"))
    dims = (dims,) if isinstance(dims, int) else dims
    if not isinstance(dims, (list, tuple)):
        return None
    found = {dim % rank for dim in dims if isinstance(dim, int)}
    return found if len(found) == len(dims) else None


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
    if module is not None:
        return _role_of_module(module)
    name = operation_name(node)
    if is_about_shape(node):
        return Role.SHAPE
    if node.target in (set_item, as_written) and not node.meta.get("is_whole"):
        return Role.WRITE
    if name in _OVERWRITE or node.meta.get("is_whole"):
        return Role.OVERWRITE
    if name in _CONCAT:
        return Role.CONCAT
    if name in _KERNEL and has_weights:
        return Role.KERNEL
    if name in _FOLLOW or (
        name == "getitem" and issubclass(value_of_argument, (tuple, list, dict))
    ):
        return Role.FOLLOW
    return Role.EDGE


def _role_of_module(module: nn.Module) -> Role:
    if isinstance(module, nn.MultiheadAttention):
        return Role.KERNEL
    files = {kind.__module__ for kind in type(module).__mro__}
    if isinstance(module, nn.Identity) or files & _FOLLOWING_MODULES:
        return Role.FOLLOW
    if any(parameter.ndim >= 2 for parameter in module.parameters()):
        return Role.KERNEL
    return Role.EDGE
