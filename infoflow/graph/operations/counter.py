"""What one call costs: by its record's formula, or by watching what it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from infoflow.graph.operations import costs
from infoflow.graph.operations.operation import Cost, Formula, Operation, OperationCall
from infoflow.graph.operations.operation_table import TABLE, named, operation_of_call, own_function
from infoflow.interface import OperationError, total

#: What a formula may raise where it meets arguments that it does not know.
_UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError)
#: Functions that torch alone calls, and its counter does not know.
_INNER: dict[str, Formula] = {
    "_scaled_dot_product_flash_attention_for_cpu": costs.attention,
    "_scaled_dot_product_fused_attention_overrideable": costs.attention,
    "_scaled_dot_product_attention_math": costs.attention,
    "flex_attention": costs.attention,
    "_trilinear": costs.trilinear,
    "_cdist_forward": costs.matrix_product,
    "_euclidean_dist": costs.matrix_product,
    "affine_grid_generator": costs.matrix_product,
    "mkldnn_rnn_layer": costs.fused_recurrent,
    "_transformer_encoder_layer_fwd": costs.fused_encoder,
}
#: Functions that torch alone calls, and that cost no products.
_INNER_FREE = {
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "max_pool2d_with_indices"),
    *("max_pool3d_with_indices", "fractional_max_pool2d", "fractional_max_pool3d"),
    *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
    *("_batch_norm_impl_index", "cudnn_batch_norm", "native_layer_norm", "native_group_norm"),
    *("_fused_rms_norm", "_weight_norm_interface", "_softmax", "_log_softmax", "_safe_softmax"),
    *("_to_copy", "copy_", "_unsafe_view", "_reshape_copy", "lift_fresh", "_local_scalar_dense"),
    *("native_dropout", "_fused_dropout", "_embedding_bag", "_embedding_bag_forward_only"),
    *("constant_pad_nd", "_pad_circular", "reflection_pad1d", "reflection_pad2d"),
    *("reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d"),
    *("grid_sampler_2d", "grid_sampler_3d", "im2col", "col2im", "_prelu_kernel", "glu"),
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d"),
    *("upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_bilinear2d_aa"),
    *("_upsample_bicubic2d_aa", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_pack_padded"),
    *("_pack_padded_sequence", "_unique2", "_index_put_impl_", "set_", "resize_", "aminmax"),
    *("_cummax_helper", "_assert_async", "_assert_tensor_metadata", "mse_loss", "smooth_l1_loss"),
    *("huber_loss", "nll_loss_forward", "nll_loss2d_forward", "binary_cross_entropy"),
    *("log_sigmoid_forward", "rrelu_with_noise", "embedding_renorm_"),
    *("masked_scatter_", "multilabel_margin_loss_forward", "multi_margin_loss", "kl_div"),
}


def multiply_adds_of(
    call: Callable[[], Any], target: Any, module: nn.Module | None, given: Any
) -> tuple[int | None, Any]:
    """Make a call and return its multiply-adds and its result.

    Parameters
    ----------
    call
        Makes the call.
    target
        The function, or the name of the method or module, that it calls.
    module
        The module that it calls, None for a function.
    given
        Its arguments, by position and by name.

    Returns
    -------
    tuple of int and Any
        The multiply-adds of the whole call are None where they are not known.
    """
    operation = operation_of_call(target, module)
    cost: Cost = "counted" if operation is None else operation.multiply_adds
    if cost == "counted":
        with _Counter() as counter:
            result = call()
        return counter.multiply_adds, result
    result = call()
    if cost is None or cost == 0:
        return cost, result
    assert operation is not None
    assert callable(cost)
    args, kwargs = given
    return _by_formula(operation, cost, OperationCall(args, kwargs, result, module)), result


def _by_formula(operation: Operation, formula: Formula, call: OperationCall) -> int | None:
    """Return what a formula says; None where it cannot read the arguments.

    Raises
    ------
    OperationError
        Where a formula that a user has registered fails, or returns no number.
    """
    if operation.family != "own":
        if any(tensor.is_nested for tensor in call.tensors):
            return None
        try:
            return formula(call)
        except _UNREADABLE:
            return None
    try:
        found = formula(call)
    except Exception as error:
        raise OperationError(
            f"multiply_adds of {operation.name} failed for a call with "
            f"{', '.join(str(tuple(t.shape)) for t in call.tensors) or 'no tensors'}: "
            f"{type(error).__name__}: {error}. It takes one infoflow.OperationCall, and returns a "
            "whole number for all samples of it, or None."
        ) from error
    is_number = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    if found is not None and not is_number:
        raise OperationError(
            f"multiply_adds of {operation.name} must return a whole number, at least 0, or None "
            f"where it is not known, got {found!r}."
        )
    return found


class _Counter(TorchDispatchMode):
    """Counts multiply-adds by torch's own formulas, and by ours where it has none.

    ``multiply_adds`` is None from the first function on whose cost is not known.
    """

    #: flex_attention and the like come as they are.
    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds: int | None = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        cost = _inner_cost(function, args, kwargs, result)
        self.multiply_adds = total((self.multiply_adds, cost))
        return result


def _let_flex_attention_through() -> None:
    """Give it a rule in torch before 2.8, which knows no ``supports_higher_order_operators``."""
    from torch._higher_order_ops.flex_attention import flex_attention

    @flex_attention.py_impl(_Counter)
    def count(mode: _Counter, *args: Any, **kwargs: Any) -> Any:
        return mode.__torch_dispatch__(flex_attention, (), args, kwargs)


if not hasattr(TorchDispatchMode, "supports_higher_order_operators"):
    _let_flex_attention_through()


def _inner_cost(function: Any, args: Any, kwargs: Any, result: Any) -> int | None:
    from torch.utils.flop_counter import flop_registry

    packet = getattr(function, "_overloadpacket", function)
    formula = flop_registry.get(packet)
    if formula is not None:
        return int(formula(*args, **kwargs, out_val=result)) // 2
    call, own = OperationCall(args, kwargs, result), own_function(function)
    if own is not None and callable(own.multiply_adds):
        return _by_formula(own, own.multiply_adds, call)
    if own is not None:
        return 0 if own.multiply_adds == 0 else None
    if not call.tensors or getattr(function, "is_view", False):
        return 0
    if torch.Tag.pointwise in getattr(function, "tags", ()):
        return 0
    name = getattr(packet, "__name__", str(packet))
    if name in _INNER_FREE:
        return 0
    ours: Cost = _INNER.get(name)
    if ours is None and getattr(function, "namespace", "") in ("aten", "prims", "torchvision"):
        operation = TABLE.exactly.get(name) or named(name)
        ours = None if operation is None else operation.multiply_adds
    if callable(ours):
        try:
            return ours(call)
        except _UNREADABLE:
            return None
    return 0 if ours == 0 else None
