"""Tensors in nested values: lists, tuples, dictionaries, dataclasses and model outputs."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from infoflow.graph.running.ragged import change_numbers

#: Types of values that hold nothing.
_PLAIN = {int, float, bool, str, type(None)}


class Columns(list[Any]):
    """A list of one argument whose tensors have a row for each sample, whatever they look like."""


def items_of(value: Any) -> list[tuple[str, Any]] | None:
    """Return the named parts of a container, None for anything that is no container.

    Examples
    --------
    >>> items_of({"image": 1}), items_of([2, 3]), items_of(4)
    ([('image', 1)], [('0', 2), ('1', 3)], None)
    """
    if isinstance(value, Mapping):
        return [(str(key), part) for key, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, (list, tuple)):
        return [(str(position), part) for position, part in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        hidden = [
            name
            for name, part in getattr(value, "__dict__", {}).items()
            if isinstance(part, Tensor) and name not in names
        ]
        return [(name, getattr(value, name)) for name in (*names, *hidden)]
    return None


def leaves_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield everything in ``value`` that is no container, with the way to it."""
    parts = None if isinstance(value, Tensor) else items_of(value)
    if parts is None:
        yield path, value
        return
    for name, part in parts:
        yield from leaves_of(part, (*path, name))


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in a value of any nesting, in order.

    Examples
    --------
    >>> import torch
    >>> [len(t) for t in tensors_in({"image": torch.zeros(2), "more": [torch.zeros(3), "mean"]})]
    [2, 3]
    """
    found: list[Tensor] = []
    _gather(value, found)
    return found


def _gather(value: Any, found: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        found.append(value)
        return
    kind = type(value)
    if kind is tuple or kind is list:
        parts = value
    elif kind is dict:
        parts = value.values()
    elif kind in _PLAIN:
        return
    else:
        parts = [part for _, part in items_of(value) or ()]
    for part in parts:
        _gather(part, found)


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in a value of any nesting, or None."""
    if isinstance(value, Tensor):
        return value
    return next((leaf for _, leaf in leaves_of(value) if isinstance(leaf, Tensor)), None)


def tensor_of(value: Any) -> Tensor:
    """Return the first tensor in a value that has one."""
    tensor = first_tensor(value)
    assert tensor is not None
    return tensor


def map_leaves(change: Callable[[Any], Any], value: Any) -> Any:
    """Return the same nesting with ``change`` applied to everything that is no container."""
    is_whole = isinstance(value, (Tensor, PackedSequence))
    parts = None if is_whole else items_of(value)
    if parts is None:
        return change(value)
    changed = [map_leaves(change, part) for _, part in parts]
    if isinstance(value, Mapping):
        return _with_items(value, dict(zip(value, changed, strict=True)))
    if isinstance(value, tuple):
        return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
    if isinstance(value, list):
        return Columns(changed) if isinstance(value, Columns) else changed
    other = copy.copy(value)
    for (name, _), part in zip(parts, changed, strict=True):
        object.__setattr__(other, name, part)
    return other


def map_tensors(change: Callable[[Tensor], Any], value: Any) -> Any:
    """Return the same nesting with ``change`` applied to every tensor.

    Of packed sequences, only the numbers are changed, and not where they belong.
    """

    def visit(leaf: Any) -> Any:
        if isinstance(leaf, PackedSequence):
            return change_numbers(change, leaf)
        return change(leaf) if isinstance(leaf, Tensor) else leaf

    return map_leaves(visit, value)


def _with_items(mapping: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    if type(mapping) is dict:
        return items
    other: Any = copy.copy(mapping)
    for key, part in items.items():
        other[key] = part
    return other
