"""Multiply-adds of operations in closed form, from the shapes of what goes in and comes out.

As ``torch.utils.flop_counter`` does, they count products: of weights or values with values, summed.
What takes time in proportion to the number of values (norms, activations, sums, pooling,
interpolation, gathers) counts 0. Attention counts whole, also where a mask hides parts of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.graph.operations.operation import OperationCall


def linear(call: OperationCall) -> int:
    """Count, for every output, one multiply-add a feature that it reads."""
    if call.module is not None:
        return call.output.numel() * int(call.module.in_features)
    return call.output.numel() * int(call.get(1, "weight").shape[-1])


def convolution(call: OperationCall, *, transposed: bool = False) -> int:
    """Count as torch does: every output of a convolution takes one filter."""
    taken, made = list(call.tensors[0].shape), list(call.output.shape)
    if call.module is not None:
        weight = weight_shape(call.module, 0 if transposed else 1)
    else:
        weight = list(call.get(1, "weight").shape)
    if len(taken) < len(weight):  # one sample without a batch
        taken, made = [1, *taken], [1, *made]
    # torch's own formula; its module would load triton
    places = (taken if transposed else made)[2:]
    return taken[0] * math.prod(weight) * math.prod(places)


def transposed_convolution(call: OperationCall) -> int:
    """Count as torch does: every input of a transposed convolution takes one filter."""
    return convolution(call, transposed=True)


def weight_shape(module: Any, weight_inputs: int) -> list[int]:
    """Return the shape of a layer's weight, not the weight, which a parametrization would compute.

    Parameters
    ----------
    module
        A linear layer or a convolution.
    weight_inputs
        The dimension of the weight that counts inputs, as its record says.
    """
    if isinstance(module, nn.Linear):
        return [module.out_features, module.in_features]
    groups, taken, made = module.groups, module.in_channels, module.out_channels
    pair = [taken, made // groups] if weight_inputs == 0 else [made, taken // groups]
    return [*pair, *module.kernel_size]


def deformable_convolution(call: OperationCall) -> int:
    """Count one filter for every output; the interpolation of what it reads counts 0."""
    return int(call.output.numel() * math.prod(call.get(1, "weight").shape[1:]))


def convolution_over_time(call: OperationCall) -> int:
    """Count one filter for every output of ``conv_tbc``; its weight is (kernel, in, out)."""
    kernel, taken, _ = call.get(1, "weight").shape
    return call.output.numel() * int(kernel) * int(taken)


def bilinear(call: OperationCall) -> int:
    """Count, for every output, a matrix times one input, and the result times the other."""
    one, other = (tensor.shape[-1] for tensor in call.tensors[:2])
    return call.output.numel() * (one + 1) * other


def matrix_product(call: OperationCall) -> int:
    """Count, for every output, each number of the row that it is made of.

    That holds for a distance of ``torch.cdist`` and a coordinate of ``affine_grid``, too.
    """
    return call.output.numel() * int(call.tensors[0].shape[-1])


def matrix_product_and_sum(call: OperationCall) -> int:
    """Count a product of matrices; what is added to it (``addmm``) comes first."""
    return call.output.numel() * int(call.tensors[1].shape[-1])


def sum_of_matrix_products(call: OperationCall) -> int:
    """Count the products of a batch that ``torch.addbmm`` adds up."""
    batch, _, inner = call.tensors[1].shape
    return call.output.numel() * int(batch) * int(inner)


def grouped_product(call: OperationCall) -> int:
    """Count one product of matrices a group; the rows, or what is summed, are split into groups."""
    one, other = call.tensors[:2]
    if one.ndim == other.ndim == 2:
        return one.numel() * int(other.shape[-1])
    return call.output.numel() * int(one.shape[-1])


def vector_products(call: OperationCall) -> int:
    """Count the numbers of either argument, after they were made to fit."""
    one, other = call.tensors[:2]
    return math.prod(torch.broadcast_shapes(one.shape, other.shape))


def vector_product(call: OperationCall) -> int:
    """Count the numbers of either vector."""
    return call.tensors[0].numel()


def inner_product(call: OperationCall) -> int:
    """Count, for every output of ``torch.inner``, the numbers of a last dimension."""
    one, other = call.tensors[:2]
    return call.output.numel() * (int(one.shape[-1]) if one.ndim and other.ndim else 0)


def trilinear(call: OperationCall) -> int:
    """Count ``aten::_trilinear``, which ``bilinear`` calls with its weight in the middle."""
    one, weight, _ = call.tensors[:3]
    outputs, first, second = weight.shape[-3:]
    return one.numel() // max(int(first), 1) * int(outputs) * (int(first) + 1) * int(second)


def attention(call: OperationCall) -> int:
    """Count queries times keys, and the result times values: ``L·S·(E + Ev)`` for each head."""
    query, key, value = call.get(0, "query"), call.get(1, "key"), call.get(2, "value")
    return attention_products(query, key, value)


def attention_products(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Count both products of attention; keys and values may be shared by several heads."""
    lead = max(math.prod(tensor.shape[:-2]) for tensor in (query, key, value))
    length, source = query.shape[-2], key.shape[-2]
    return int(lead * length * source * (query.shape[-1] + value.shape[-1]))


def multi_head_attention(call: OperationCall) -> int:
    """Count the projections of queries, keys, values and the result, and both products.

    For ``nn.MultiheadAttention`` and ``multi_head_attention_forward``, of which the one may have
    the batch first.
    """
    query, key, value = (call.get(i, n) for i, n in enumerate(("query", "key", "value")))
    module = call.module
    batch_first = module is not None and module.batch_first and query.ndim == 3
    time = 1 if batch_first else 0
    length, source, width = query.shape[time], key.shape[time], query.shape[-1]
    samples = query.numel() // max(length * width, 1)
    projected = length * width + source * (key.shape[-1] + value.shape[-1]) + length * width
    added = _added_keys(call)
    return int(samples * width * (projected + 2 * length * (source + added)))


def _added_keys(call: OperationCall) -> int:
    """Return how many keys a module adds to those it is given."""
    if call.module is not None:
        return int(call.module.bias_k is not None) + int(call.module.add_zero_attn)
    return int(call.get(7, "bias_k") is not None) + int(bool(call.get(9, "add_zero_attn")))


def shifted_window_attention(call: OperationCall) -> int:
    """Count Swin's attention within windows of maps (N, height, width, channels)."""
    maps, (high, wide) = call.tensors[0], call.get(4, "window_size")
    samples, height, width, channels = maps.shape
    rows, columns = math.ceil(height / high), math.ceil(width / wide)
    tokens, window = samples * rows * columns * high * wide, high * wide
    return int(tokens * channels * (4 * channels + 2 * window))


def recurrent(call: OperationCall) -> int:
    """Count every weight once a sample and step."""
    module = call.module
    if module is None:
        return _steps(call) * _matrices(_parameters(call))
    directions, hidden = 1 + bool(module.bidirectional), module.hidden_size
    gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1) * hidden
    made = module.proj_size or hidden
    taken = [module.input_size, *[made * directions] * (module.num_layers - 1)]
    layers = (gates * (width + made) + module.proj_size * hidden for width in taken)
    return int(_steps(call) * directions * sum(layers))


def recurrent_cell(call: OperationCall) -> int:
    """Count every weight once a sample; a function has its state before the weights."""
    module = call.module
    if module is None:
        return _steps(call) * _matrices(call.get(i, n) for i, n in ((2, "w_ih"), (3, "w_hh")))
    kinds = ((nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1))
    gates = next(number for kind, number in kinds if isinstance(module, kind))
    hidden = module.hidden_size
    return int(_steps(call) * gates * hidden * (module.input_size + hidden))


def fused_recurrent(call: OperationCall) -> int:
    """Count every weight once a sample and step, in the kernel of oneDNN."""
    return _steps(call) * _matrices(call.get(i, n) for i, n in ((1, "weight0"), (2, "weight1")))


def fused_encoder(call: OperationCall) -> int:
    """Count the weights of attention, and of what follows it, once a token, and both products."""
    weights = (call.args[i] for i in (3, 5, 14, 16))
    length, width = call.tensors[0].shape[-2:]
    return _steps(call) * (_matrices(weights) + 2 * int(length) * int(width))


def triangular_solve(call: OperationCall) -> int:
    """Count what substitution takes: half of the matrix for each number of the result."""
    return call.output.numel() * (int(call.tensors[0].shape[-1]) - 1) // 2


def _steps(call: OperationCall) -> int:
    return math.prod(call.tensors[0].shape[:-1])


def _parameters(call: OperationCall) -> Iterable[Tensor]:
    """Return the weights of a recurrent layer, the last list of tensors that a function takes."""
    lists = [given for given in call.args if isinstance(given, (list, tuple)) and given]
    return [each for each in lists if isinstance(each[0], Tensor)][-1]


def _matrices(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() for weight in weights if weight.ndim == 2)
