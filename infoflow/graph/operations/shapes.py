"""Reshapes, concatenations, indexing, writes in place, and questions about shapes."""

from __future__ import annotations

from functools import partial

from torch import nn

from infoflow.graph.operations.operation import Moves, Operation, Passing, Role

_free = partial(Operation, multiply_adds=0)
_reshape = partial(_free, family="reshape", role=Role.FOLLOW)
_write = partial(_free, name="index write", family="index write")

RESHAPES = (
    *(
        _reshape(name=name, functions=(name,), moves=Moves.RESHAPED, passing=Passing.FLATTENED)
        for name in ("view", "reshape")
    ),
    *(
        _reshape(name=name, functions=(name,), moves=Moves.RESHAPED)
        for name in ("squeeze", "unsqueeze")
    ),
    _reshape(
        name="flatten",
        functions=("flatten",),
        modules=(nn.Flatten,),
        moves=Moves.RESHAPED,
        passing=Passing.FLATTENED,
    ),
    _reshape(
        name="unflatten",
        functions=("unflatten",),
        modules=(nn.Unflatten,),
        moves=Moves.RESHAPED,
    ),
    *(
        _reshape(name=name, functions=(name,), moves=Moves.RESHAPED, reads="first")
        for name in ("view_as", "reshape_as")
    ),
    _reshape(name="expand_as", functions=("expand_as",), moves=Moves.EXPANDED, reads="first"),
    _free(
        name="expand",
        family="reshape",
        functions=("expand",),
        moves=Moves.EXPANDED,
        is_statistic=True,
    ),
    _free(
        name="broadcast_to",
        family="reshape",
        functions=("broadcast_to",),
        moves=Moves.EXPANDED,
    ),
    *(
        _reshape(name=name, functions=(name,))
        for name in (
            *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t"),
            *("T", "mT", "H", "mH", "rename", "refine_names"),
            *("roll", "flip"),
        )
    ),
    *(
        _reshape(name=name, functions=(name,), modules=modules)
        for name, modules in {
            "pixel_shuffle": (nn.PixelShuffle,),
            "pixel_unshuffle": (nn.PixelUnshuffle,),
            "channel_shuffle": (nn.ChannelShuffle,),
        }.items()
    ),
)
CONCATENATIONS = (
    _free(
        name="concat",
        family="concatenation",
        functions=("concat", "cat", "concatenate"),
        role=Role.CONCAT,
    ),
    *(
        _free(name=name, family="concatenation", functions=(name,), role=Role.CONCAT)
        for name in ("stack", "hstack", "vstack", "dstack", "column_stack", "row_stack")
    ),
)
WRITES = (
    _write(functions=("set_item", "as_written"), role=Role.WRITE),
    _write(
        functions=(
            *("index_put", "index_copy", "masked_scatter", "scatter", "slice_scatter"),
            *("select_scatter", "diagonal_scatter", "index_add", "scatter_add"),
        )
    ),
    *(
        _free(name=name, family="index write", functions=(name,), role=Role.OVERWRITE)
        for name in ("copy", "overwritten")
    ),
)
#: Questions about the shape of a tensor, and new tensors that are only as large as another.
QUESTIONS = (
    *(
        _free(name=name, family="shape", functions=(name,), role=Role.SHAPE)
        for name in (
            *("size", "dim", "ndimension", "numel", "stride", "is_floating_point", "assert"),
            *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"),
            *("new_zeros", "new_ones", "new_full", "new_empty"),
        )
    ),
    *(
        _free(name=name, family="shape", attributes=(name,), role=Role.SHAPE)
        for name in (*("shape", "dtype", "device", "ndim", "requires_grad", "is_cuda", "layout"),)
    ),
    # methods that put numbers of their own in the place of a tensor's
    *(
        _free(name=name.strip("_"), family="shape", exactly=(name,), role=Role.SHAPE)
        for name in ("zero_", "normal_", "uniform_", "random_", "exponential_", "log_normal_")
    ),
    _free(name="fill", family="fill", functions=("fill",)),
)
#: Edges that pick, repeat or move numbers.
OTHERS = tuple(
    _free(name=name, family="indexing", functions=(name,))
    for name in (
        *("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "unsafe_chunk"),
        *("unsafe_split", "narrow", "select", "slice", "take", "take_along_dim", "index"),
        *("diagonal", "diag", "diag_embed", "diagflat"),
        *("tril", "triu", "repeat", "tile", "repeat_interleave", "rot90", "fliplr", "flipud"),
        *("meshgrid", "broadcast_tensors", "block_diag", "combinations", "as_strided", "as_tensor"),
        *("view_as_real", "view_as_complex", "imag", "positive", "ravel", "unsqueeze_copy"),
        *("index_fill", "index_reduce", "scatter_reduce", "segment_reduce", "put", "from_values"),
        *("pad_sequence", "pack_padded_sequence", "unfold_copy", "hsplit", "vsplit", "dsplit"),
        *("atleast_1d", "atleast_2d", "atleast_3d", "dequantize", "quantize_per_tensor"),
        *("iter", "len", "item", "tolist", "getattr", "tensor", "alias", "normal", "vander"),
    )
)
#: Those of which the values say how many.
CHOICES = tuple(
    _free(name=name, family="indexing", functions=(name,), varies_in_shape=True)
    for name in ("masked_select", "nonzero", "argwhere")
)
OPERATIONS = (*RESHAPES, *CONCATENATIONS, *WRITES, *QUESTIONS, *OTHERS, *CHOICES)
