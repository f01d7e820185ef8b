"""Compare what two runs gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: What is rounding between two ways to compute a value, relative to its largest number;
#: of numbers with few digits, four of the last.
_ROUNDING = 1e-3


def are_close(got: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    """Tell whether two runs gave as many tensors, and the same but for rounding."""
    return len(got) == len(wanted) and all(map(is_close, got, wanted))


def have_moved(new: Sequence[Any], old: Sequence[Any]) -> bool:
    """Tell whether a run gave other tensors than one before."""
    return not all(
        is_close(one, other) if not is_plain(one) else _same(one, other)
        for one, other in zip(new, old, strict=False)
    )


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def is_close(one: Tensor, other: Tensor) -> bool:
    """Tell whether two values are the same but for rounding; integers must be equal."""
    if one.is_nested != other.is_nested or one.layout != other.layout:
        return False
    if (not one.is_nested and one.shape != other.shape) or one.dtype != other.dtype:
        return False
    if one.is_nested:
        return all(map(is_close, one.unbind(), other.unbind()))
    if not one.is_floating_point() and not one.is_complex():
        return torch.equal(one, other)
    if one.is_meta or other.is_meta:
        return one.is_meta and other.is_meta
    if one.layout is not torch.strided:
        one, other = one.to_dense(), other.to_dense()
    finite = one.abs().nan_to_num(0.0, 0.0, 0.0)
    scale = float(finite.max()) if finite.numel() else 0.0
    rounding = max(_ROUNDING, 4 * torch.finfo(one.dtype).eps)
    return torch.allclose(one, other, rtol=rounding, atol=rounding * scale, equal_nan=True)


def is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor is a block of numbers, neither sparse nor nested."""
    return tensor.layout is torch.strided and not tensor.is_nested
