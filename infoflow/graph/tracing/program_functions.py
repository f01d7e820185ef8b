"""Functions that recorded programs call, where torch has none that says it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def set_item(tensor: Tensor, index: Any, value: Any) -> Tensor:
    """Write ``value`` into ``tensor`` and return it."""
    tensor[index] = value
    return tensor


def as_written(tensor: Tensor, *writes: Any) -> Tensor:
    """Return ``tensor``, as it is after what was written to its memory."""
    return tensor


def overwritten(tensor: Tensor, write: Any) -> Tensor:
    """Return ``tensor`` after a write that replaced its whole value."""
    return tensor


def from_values(tensor: Tensor, *sources: Any) -> Tensor:
    """Return a tensor that other code than torch computed from the values of others."""
    return tensor.clone()


class Transformed:
    """A call of ``torch.vmap`` or the like, recorded as one call.

    Its first argument holds the tensors that the transformed function uses without getting them as
    arguments, such as weights of the functions around it. It shows the graph what is read, and is
    not passed on.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self.__name__ = name
        self.__module__ = function.__module__

    def __call__(self, read: Any, *args: Any, **kwargs: Any) -> Any:
        """Make the call."""
        return self._function(*args, **kwargs)


def packed(*parts: Any) -> PackedSequence:
    """Return sequences of different lengths, packed as a recurrent module takes them."""
    return PackedSequence(*parts)


PURE = {
    getattr,
    packed,
    as_written,
    overwritten,
    *(getattr(operator, n) for n in ("getitem", "add", "sub", "mul")),
}
PURE |= {operator.truediv, operator.floordiv, operator.mod, operator.pow, operator.neg}
