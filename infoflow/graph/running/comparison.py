"""Compare what two runs gave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: What is rounding between two ways to compute a value, in units of the last digit of its largest
#: number: 1e-4 of float32, where deep nets of torchvision and timm were seen to differ by 4e-6.
_UNITS = 1000
#: The same of numbers with few digits, such as bfloat16.
_FEW_UNITS = 4
#: Numbers that have few digits are no finer than this.
_FEW_DIGITS = 1e-4
#: Nothing finer is told apart, also of float64.
_FINEST = 1e-9


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
    if one.shape != other.shape:
        return False
    return torch.equal(one, other) or torch.equal(one.nan_to_num(), other.nan_to_num())


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
    rounding = _rounding(one.dtype)
    if torch.equal(one, other) or _are_within(one, other, rounding):
        return True
    finite = one.abs().nan_to_num(0.0, 0.0, 0.0)
    scale = float(finite.max()) if finite.numel() else 0.0
    return torch.allclose(one, other, rtol=rounding, atol=rounding * scale, equal_nan=True)


def _are_within(one: Tensor, other: Tensor, rounding: float) -> bool:
    """Tell quickly whether finite numbers differ by less than rounding of the largest."""
    if one.dtype not in (torch.float32, torch.float64) or one.numel() == 0:
        return False
    extremes = (*torch.aminmax(one), *torch.aminmax(one - other))
    low, high, below, above = torch.stack(extremes).tolist()
    gap, scale = max(-below, above), max(-low, high)
    return math.isfinite(gap + scale) and gap <= rounding * scale


def _rounding(dtype: torch.dtype) -> float:
    """Return what is rounding of a type, relative to the largest number."""
    unit = float(torch.finfo(dtype).eps)
    return max((_FEW_UNITS if unit > _FEW_DIGITS else _UNITS) * unit, _FINEST)


def is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor is a block of numbers, neither sparse nor nested."""
    return tensor.layout is torch.strided and not tensor.is_nested
