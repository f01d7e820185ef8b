"""What of a value with positions is measured: all of them, their mean, or one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import did_you_mean, shown

Reduce = Literal["flatten", "mean", "first", "last"] | int


def check_reduce(reduce: Reduce) -> None:
    """Raise an ArgumentError for what ``reduce=`` does not take."""
    is_position = isinstance(reduce, int) and not isinstance(reduce, bool)
    is_word = isinstance(reduce, str) and reduce in ("flatten", "mean", "first", "last")
    if not (is_position or is_word):
        raise ArgumentError(
            "reduce must be 'flatten', 'mean', 'first', 'last' or the number of a position, got "
            f"{shown(reduce)}.{did_you_mean(reduce, ('flatten', 'mean', 'first', 'last'))}"
        )


def reduce_positions(rows: Tensor, reduce: Reduce, positions: Sequence[int]) -> Tensor:
    """Reduce values with one row per sample.

    Parameters
    ----------
    rows
        (N, ...) values.
    reduce
        ``"mean"`` goes over all positions; a place takes one of a sequence, which has one dimension
        of positions. What has another number of them stays as it is.
    positions
        Dimensions of one sample's value that count positions.

    Examples
    --------
    >>> reduce_positions(torch.arange(6.0).view(1, 3, 2), "mean", (0,))
    tensor([[2., 3.]])
    >>> reduce_positions(torch.arange(6.0).view(1, 3, 2), -1, (0,))
    tensor([[4., 5.]])
    """
    if reduce == "flatten" or not positions:
        return rows
    if reduce == "mean":
        is_exact = rows.dtype == torch.float64 or rows.is_complex()
        exact = rows if is_exact else rows.float()
        return exact.mean(dim=[1 + at for at in positions])
    if len(positions) > 1:
        return rows
    place = {"first": 0, "last": -1}.get(reduce, reduce) if isinstance(reduce, str) else reduce
    assert isinstance(place, int)
    count = rows.shape[1 + positions[0]]
    if not -count <= place < count:
        raise ArgumentError(
            f"reduce={reduce} asks for a position that a sequence of {count} does not have. Choose "
            "one that all layers have, or 'mean'."
        )
    return rows.select(1 + positions[0], place)


def reduced_shape(
    shape: tuple[int, ...], reduce: Reduce, positions: Sequence[int]
) -> tuple[int, ...]:
    """Return the shape of one sample's value after :func:`reduce_positions`."""
    whole = torch.empty((1, *shape), device="meta", dtype=torch.float32)
    return tuple(reduce_positions(whole, reduce, positions).shape[1:])


def channels_first(rows: Tensor, positions: Sequence[int]) -> Tensor:
    """Return values as (N, channels, positions...), with all channels in one dimension.

    Examples
    --------
    >>> channels_first(torch.zeros(2, 7, 7, 96), (0, 1)).shape
    torch.Size([2, 96, 7, 7])
    """
    places = [1 + at for at in positions]
    last = rows.movedim(places, list(range(-len(places), 0))) if places else rows
    return last.reshape(len(rows), -1, *last.shape[last.ndim - len(places) :])
