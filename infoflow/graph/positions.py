"""Which dimensions of a value count channels, and which count positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import fx, nn

from infoflow.graph.operations.lookup import arguments_of, operation_of, reduced_dimensions
from infoflow.graph.operations.operation import Moves, Operation, Passing
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import Program

#: The dimensions of a value, with the batch, that count channels.
Channels = frozenset[int]


def find_channels(program: Program, facts: Mapping[fx.Node, NodeInfo]) -> dict[fx.Node, Channels]:
    """Return the channels of every value of which the operations tell them.

    A convolution has them before its positions, a linear map last; other operations hand on what
    they read. What was made of channels and positions together counts as channels.
    """
    known: dict[fx.Node, Channels] = {}
    for node in program.graph.nodes:
        if node in facts and len(facts[node].shape) > 1:
            found = _channels_of(node, program.module(node), facts, known)
            if found is not None:
                known[node] = found
    return known


def positions_of(
    channels: Channels | None, shape: Sequence[int], samples: int, axis: int
) -> tuple[int, ...]:
    """Return the positions among the dimensions of one sample's value.

    Where nothing is known, maps are taken for (channels, ...), sequences for (positions, channels).
    Where the one channel there was is gone, all dimensions larger than 1 are positions.

    Parameters
    ----------
    channels, shape
        Of the batch's value.
    samples, axis
        How many there are in the batch, and which dimension counts them (or them and positions).

    Examples
    --------
    >>> positions_of(frozenset({3}), (2, 7, 7, 96), samples=2, axis=0)
    (0, 1)
    >>> positions_of(None, (2, 96, 7, 7), samples=2, axis=0)
    (1, 2)
    >>> positions_of(frozenset(), (2, 7, 7, 1), samples=2, axis=0)
    (0, 1)
    """
    own = [at for at in range(len(shape)) if at != axis]
    if shape and shape[axis] != samples:
        own.insert(0, axis)
    if len(own) < 2:
        return ()
    if channels is None:
        return (0,) if len(own) == 2 else tuple(range(1, len(own)))
    is_position = [at not in channels and (bool(channels) or shape[at] > 1) for at in own]
    return tuple(number for number, it_is in enumerate(is_position) if it_is)


def _channels_of(
    node: fx.Node,
    module: nn.Module | None,
    facts: Mapping[fx.Node, NodeInfo],
    known: Mapping[fx.Node, Channels],
) -> Channels | None:
    fact, operation = facts[node], operation_of(node, module)
    rank = len(fact.shape)
    if operation.channels is not None:
        return frozenset({rank + operation.channels})
    if operation.moves is Moves.PRODUCT:
        return _of_product(node, operation.factors, facts, known)
    read = [argument for argument in arguments_of(node) if argument in known]
    read.sort(key=lambda argument: facts[argument].shape != fact.shape)
    if read:
        return _handed_on(node, operation, known[read[0]], facts[read[0]], fact)
    if operation.is_per_channel or operation.passing is Passing.GROUPS:
        return frozenset({1})
    is_over_last = isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1
    return frozenset({rank - 1}) if is_over_last else None


def _of_product(
    node: fx.Node,
    factors: tuple[int, int],
    facts: Mapping[fx.Node, NodeInfo],
    known: Mapping[fx.Node, Channels],
) -> Channels | None:
    """Return the channels of a product of matrices: rows are the first one's, columns the last's.

    A factor of which nothing is known holds weights.
    """
    given = [item for item in (*node.args, *node.kwargs.values()) if isinstance(item, fx.Node)]
    first, last = factors
    if len(given) <= last or not any(each in known for each in given):
        return None
    rows, columns, rank = given[first], given[last], len(facts[node].shape)
    width, depth = len(facts[rows].shape), len(facts[columns].shape)
    if width < 2 or depth < 2:
        return None
    lead = {at + rank - width for at in known.get(rows, ()) if at < width - 1}
    is_last = columns not in known or depth - 1 in known[columns]
    return frozenset(lead | ({rank - 1} if is_last else set()))


def _handed_on(
    node: fx.Node, operation: Operation, channels: Channels, before: NodeInfo, after: NodeInfo
) -> Channels | None:
    """Return the channels of what an operation has made of a value; None where that is unclear."""
    is_reshape, rank = operation.moves is Moves.RESHAPED, len(before.shape)
    added = len(after.shape) - rank
    if operation.moves is Moves.EXPANDED:
        return frozenset(at + added for at in channels)
    if operation.is_statistic and added < 0:
        gone = reduced_dimensions(node, rank)
        if gone is None:
            return None
        left = [at for at in range(rank) if at not in gone]
        return frozenset(to for to, at in enumerate(left) if at in channels)
    one, other = before.placement, after.placement
    is_same = one is None or other is None or one.strides == other.strides
    if before.shape == after.shape and (is_same or is_reshape):
        return channels
    if one is not None and other is not None and one.memory == other.memory:
        return _overlapping(
            channels, _ranges(before.shape, one.strides), _ranges(after.shape, other.strides)
        )
    if is_reshape:
        return _overlapping(channels, _in_order(before.shape), _in_order(after.shape))
    return channels if added == 0 else None


#: The steps through memory that a dimension takes: from its stride to where it ends.
_Range = tuple[int, int]


def _ranges(shape: Sequence[int], strides: Sequence[int]) -> list[_Range]:
    return [(stride, stride * size) for size, stride in zip(shape, strides, strict=True)]


def _in_order(shape: Sequence[int]) -> list[_Range]:
    """Return the ranges of a tensor that lies in memory row by row."""
    ends = [math.prod(shape[at:]) for at in range(len(shape))]
    return [(math.prod(shape[at + 1 :]), end) for at, end in enumerate(ends)]


def _overlapping(channels: Channels, before: list[_Range], after: list[_Range]) -> Channels:
    """Return the dimensions after an operation that take steps which were channels before it."""
    taken = [before[at] for at in channels]
    return frozenset(
        at
        for at, (start, end) in enumerate(after)
        if any(max(start, first) < min(end, last) for first, last in taken)
    )
