"""Learned maps: convolutions, linear maps, tables, attention and recurrent layers."""

from __future__ import annotations

from functools import partial

from torch import nn

from infoflow.graph.operations import costs
from infoflow.graph.operations.operation import Cost, Moves, Operation, Passing, Role

_kernel = partial(Operation, role=Role.KERNEL)


#: The arguments of both kinds of convolution, but for the last ones.
_ARGUMENTS = ("input", "weight", "bias", "stride", "padding")


def _convolutions(dimensions: int) -> tuple[Operation, Operation]:
    """Return a convolution with some dimensions of positions, and the transposed one."""
    plain: type[nn.Module] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
    transposed: type[nn.Module] = (
        nn.ConvTranspose1d,
        nn.ConvTranspose2d,
        nn.ConvTranspose3d,
    )[dimensions - 1]
    either = partial(
        _kernel,
        family="convolution",
        channels=-1 - dimensions,
        positions=dimensions,
        passing=Passing.CONVOLUTION,
    )
    name, other = f"conv{dimensions}d", f"conv_transpose{dimensions}d"
    return (
        either(
            name=name,
            functions=(name,),
            modules=(plain,),
            weight_inputs=1,
            arguments=(*_ARGUMENTS, "dilation", "groups"),
            multiply_adds=costs.convolution,
        ),
        either(
            name=other,
            functions=(other,),
            modules=(transposed,),
            weight_inputs=0,
            arguments=(*_ARGUMENTS, "output_padding", "groups", "dilation"),
            multiply_adds=costs.transposed_convolution,
        ),
    )


def _recurrent(name: str, *modules: type[nn.Module], cost: Cost) -> Operation:
    return _kernel(
        name=name,
        family="recurrent",
        functions=(name,),
        modules=modules,
        channels=-1,
        multiply_adds=cost,
    )


CONVOLUTIONS = (
    *_convolutions(1),
    *_convolutions(2),
    *_convolutions(3),
    _kernel(
        name="deform_conv2d",
        family="convolution",
        functions=("deform_conv2d",),
        channels=-3,
        positions=2,
        multiply_adds=costs.deformable_convolution,
    ),
    _kernel(
        name="conv_tbc",
        family="convolution",
        functions=("conv_tbc",),
        channels=-1,
        multiply_adds=costs.convolution_over_time,
    ),
)
LINEAR = (
    _kernel(
        name="linear",
        family="linear",
        functions=("linear",),
        modules=(nn.Linear,),
        channels=-1,
        weight_inputs=1,
        arguments=("input", "weight", "bias"),
        multiply_adds=costs.linear,
    ),
    _kernel(
        name="bilinear",
        family="linear",
        functions=("bilinear",),
        modules=(nn.Bilinear,),
        channels=-1,
        multiply_adds=costs.bilinear,
    ),
    _kernel(
        name="adaptive_log_softmax",
        family="linear",
        modules=(nn.AdaptiveLogSoftmaxWithLoss,),
        multiply_adds="counted",
    ),
)
#: A row of a table is read, which multiplies nothing.
TABLES = (
    _kernel(
        name="embedding",
        family="table",
        functions=("embedding",),
        modules=(nn.Embedding,),
        channels=-1,
        multiply_adds=0,
    ),
    _kernel(
        name="embedding_bag",
        family="table",
        functions=("embedding_bag",),
        modules=(nn.EmbeddingBag,),
        channels=-1,
        multiply_adds=0,
    ),
    *(
        _kernel(name=name, family="table", functions=(name,), kind="index", multiply_adds=0)
        for name in ("getitem", "index_select", "gather")
    ),
    _kernel(name="cdist", family="table", functions=("cdist",), multiply_adds=costs.matrix_product),
)
ATTENTION = (
    Operation(
        name="attention",
        family="attention",
        functions=("scaled_dot_product_attention",),
        factors=(0, 2),
        moves=Moves.PRODUCT,
        multiply_adds=costs.attention,
    ),
    _kernel(
        name="multi_head_attention_forward",
        family="attention",
        functions=("multi_head_attention_forward",),
        modules=(nn.MultiheadAttention,),
        kind="attention",
        channels=-1,
        multiply_adds=costs.multi_head_attention,
    ),
    _kernel(
        name="shifted_window_attention",
        family="attention",
        functions=("shifted_window_attention",),
        channels=-1,
        multiply_adds=costs.shifted_window_attention,
    ),
)
RECURRENT = (
    _recurrent("lstm", nn.LSTM, cost=costs.recurrent),
    _recurrent("gru", nn.GRU, cost=costs.recurrent),
    _recurrent("rnn_tanh", nn.RNN, cost=costs.recurrent),
    _recurrent("rnn_relu", cost=costs.recurrent),
    _recurrent("lstm_cell", nn.LSTMCell, cost=costs.recurrent_cell),
    _recurrent("gru_cell", nn.GRUCell, cost=costs.recurrent_cell),
    _recurrent("rnn_tanh_cell", nn.RNNCell, cost=costs.recurrent_cell),
    _recurrent("rnn_relu_cell", cost=costs.recurrent_cell),
)
#: Transforms of functions, each of which is one call, with all weights that act inside.
TRANSFORMS = tuple(
    _kernel(name=name, family="transform", functions=(name,), multiply_adds="counted")
    for name in ("vmap", "grad", "jvp")
)
OPERATIONS = (*CONVOLUTIONS, *LINEAR, *TABLES, *ATTENTION, *RECURRENT, *TRANSFORMS)
