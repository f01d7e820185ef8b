"""What of a value with positions is measured: all of them, their mean, or one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from infoflow.interface import ArgumentError

Reduce = Literal["flatten", "mean", "first", "last"] | int


def check_reduce(reduce: Reduce) -> None:
    """Raise an ArgumentError for what ``reduce=`` does not take."""
    is_position = isinstance(reduce, int) and not isinstance(reduce, bool)
    if not is_position and reduce not in ("flatten", "mean", "first", "last"):
        raise ArgumentError(
            "reduce must be 'flatten', 'mean', 'first', 'last' or the number of a position, got "
            f"{reduce!r}."
        )


def reduce_positions(rows: Tensor, reduce: Reduce) -> Tensor:
    """Reduce values with one row per sample.

    Sequences of shape (N, positions, channels) are reduced along the positions; maps of shape
    (N, channels, ...) only by ``"mean"``, over all their positions. Others stay as they are.

    Examples
    --------
    >>> reduce_positions(torch.arange(6.0).view(1, 3, 2), "mean")
    tensor([[2., 3.]])
    >>> reduce_positions(torch.arange(6.0).view(1, 3, 2), -1)
    tensor([[4., 5.]])
    """
    if reduce == "flatten" or rows.ndim < 3:
        return rows
    if reduce == "mean":
        is_exact = rows.dtype == torch.float64 or rows.is_complex()
        exact = rows if is_exact else rows.float()
        return exact.mean(dim=1) if rows.ndim == 3 else exact.flatten(2).mean(dim=2)
    if rows.ndim > 3:
        return rows
    position = {"first": 0, "last": -1}.get(reduce, reduce) if isinstance(reduce, str) else reduce
    assert isinstance(position, int)
    if not -rows.shape[1] <= position < rows.shape[1]:
        raise ArgumentError(
            f"reduce={reduce} asks for a position that a sequence of {rows.shape[1]} does not "
            "have. Choose one that all layers have, or 'mean'."
        )
    return rows[:, position]


def reduced_shape(shape: tuple[int, ...], reduce: Reduce) -> tuple[int, ...]:
    """Return the shape of one sample's value after :func:`reduce_positions`."""
    whole = torch.empty((1, *shape), device="meta")
    return tuple(reduce_positions(whole, reduce).shape[1:])
