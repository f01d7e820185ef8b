"""Classes as people give them: numbers of any type, names, one-hot rows, a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from infoflow.estimators.classes import as_tensor, numbered
from infoflow.interface import TargetError, TargetWarning, warn

_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def label_tensor(labels: ArrayLike | Tensor, name: str = "labels") -> Tensor:
    """Return labels as a tensor of numbers; names of classes are numbered in sorted order.

    Names are strings, bytes, enumeration members, or whatever else can be told apart.

    Examples
    --------
    >>> label_tensor(["owl", "cat", "owl"])
    tensor([1, 0, 1])
    """
    if isinstance(labels, Tensor):
        return plain_numbers(as_tensor(labels, name, TargetError))
    array = _objects(labels, name)
    flat = array.reshape(-1).tolist()
    missing = [number for number, one in enumerate(flat) if is_missing(one)]
    if missing and not all(isinstance(one, (float, np.floating)) for one in flat):
        raise TargetError(
            f"{name} must hold a class for each sample, got none for {len(missing)} of "
            f"{len(flat)}, first for number {missing[0]} (counted from 0). Leave these out."
        )
    if all(isinstance(one, (int, float, complex, np.number, np.bool_, Tensor)) for one in flat):
        numbers = as_tensor(np.array(flat).reshape(array.shape), name, TargetError)
        return plain_numbers(numbers)
    order = sorted(set(flat), key=lambda one: (type(one).__name__, str(one)))
    numbers_of = {one: number for number, one in enumerate(order)}
    found = torch.tensor([numbers_of[one] for one in flat], dtype=torch.int64, device="cpu")
    return found.reshape(array.shape)


def plain_numbers(values: Tensor) -> Tensor:
    """Return numbers in a type that torch can compare and sort: all but unsigned ones of 16 bits.

    Examples
    --------
    >>> plain_numbers(torch.tensor([7], dtype=torch.uint16)).dtype
    torch.int64
    """
    return values.to(torch.int64) if values.dtype in _UNSIGNED else values


def _objects(labels: ArrayLike, name: str) -> NDArray[Any]:
    """Return labels as an array whose members can be told apart; a TargetError for what has none.

    Lists are taken member by member: numpy alone would write the NaN beside strings as ``"nan"``.
    """
    try:
        if isinstance(labels, (list, tuple)):
            members = [one.tolist() if isinstance(one, Tensor) else one for one in labels]
            array = np.asarray(members, dtype=object)
        else:
            array = np.asarray(labels)
        if isinstance(labels, np.ma.MaskedArray):
            array = array.astype(object)
            array[np.ma.getmaskarray(labels)] = None
        set(array.reshape(-1).tolist())
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.ndim == 0 or (array.dtype == object and array.size and _is_nested(array)):
        raise TargetError(
            f"{name} must be an array with a class for each sample, got {shown_type(labels)}. "
            "Number the classes first: numpy.unique(classes, return_inverse=True)[1]."
        )
    return array


def _is_nested(array: NDArray[Any]) -> bool:
    return any(isinstance(one, (list, dict, set, np.ndarray)) for one in array.reshape(-1))


def shown_type(value: object) -> str:
    """Name the type of a value, and of its members where it is a list of others than names."""
    inner = {type(one).__name__ for one in value} if isinstance(value, (list, tuple)) else set()
    members = f" of {' and '.join(sorted(inner)[:3])}" if inner else ""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{members}"


def is_missing(value: object) -> bool:
    """Tell whether a value is None, NaN or the like."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA compares to itself
        return True
    except (ValueError, RuntimeError):  # an array or a tensor
        return False


#: Class numbers above this are not looked for among numbers that were divided by 255.
_LARGEST_OVER_255 = 64


def are_over_255(numbers: Tensor) -> bool:
    """Tell whether numbers are class numbers that were divided by 255, void or not.

    Examples
    --------
    >>> are_over_255(torch.tensor([0, 1, 2, 255]) / 255), are_over_255(torch.tensor([0.0, 0.5]))
    (True, False)
    """
    flat = numbers.flatten()
    if not flat.is_floating_point() or not _are_multiples(flat[:4096]):
        return False
    return _are_multiples(flat) and bool(((flat > 0) & (flat < 1)).any())


def _are_multiples(values: Tensor) -> bool:
    """Tell whether all values are 1, or one of 0/255, 1/255 and so on up to 64/255."""
    scaled = values * 255
    is_near = ((scaled - scaled.round()).abs() < 0.04) & (scaled >= -0.04)
    return bool((is_near & ((scaled < _LARGEST_OVER_255 + 0.5) | (values == 1))).all())


def times_255(raw: Tensor) -> Tensor:
    """Return maps of class numbers that were divided by 255 as they were, with a warning.

    Warns
    -----
    TargetWarning
        Where they were divided.
    """
    if raw.ndim < 3 or not are_over_255(raw):
        return raw
    warn(
        "The target's numbers are multiples of 1/255, as class numbers are after torchvision's "
        "ToTensor, and are taken for classes. Multiply them: (255 * target).round().long(). If "
        "they are magnitudes, scale them: 4 * target.",
        TargetWarning,
    )
    return (raw * 255).round()


def is_one_hot(raw: Tensor) -> bool:
    """Tell whether each row of (N, K) numbers is 1 at one place and 0 elsewhere.

    Examples
    --------
    >>> is_one_hot(torch.tensor([[0, 1], [1, 0]])), is_one_hot(torch.tensor([[1, 1], [1, 0]]))
    (True, False)
    """
    if raw.ndim != 2 or raw.shape[1] < 2 or raw.is_complex():
        return False
    return bool(((raw == 0) | (raw == 1)).all()) and bool((raw.sum(dim=1) == 1).all())


def largest(rows: Tensor) -> Tensor:
    """Return which of the K numbers of each row of (N, K) is the largest, (N,)."""
    return (rows.to(torch.uint8) if rows.dtype is torch.bool else rows).argmax(dim=1)


def one_column(values: Tensor) -> Tensor:
    """Return targets without what holds one class a sample in other forms: (N, 1), one-hot rows.

    Examples
    --------
    >>> one_column(torch.tensor([[0, 1], [1, 0]])).tolist(), one_column(torch.ones(2, 1)).shape
    ([1, 0], torch.Size([2]))
    """
    if values.ndim > 1 and values.numel() == len(values):
        return values.reshape(-1)
    return largest(values) if is_one_hot(values) else values


def as_classes(labels: ArrayLike | Tensor, samples: int) -> Tensor:
    """Return labels as (N,) int64 class numbers; a TargetError says what is wrong with them."""
    classes = one_column(label_tensor(labels))
    if classes.shape != (samples,):
        raise TargetError(
            f"labels must be one class for each of the {samples} samples, got shape "
            f"{tuple(classes.shape)}. Reduce dense targets first, for example with "
            "infoflow.KMeans()."
        )
    check_whole(classes)
    return numbered(classes)


def check_whole(classes: Tensor, name: str = "labels") -> None:
    """Raise a TargetError for (N, ...) numbers that are no class numbers: NaN, or not whole."""
    bad = (~torch.isfinite(classes)).reshape(len(classes), -1).any(dim=1).nonzero().flatten()
    if len(bad):
        instead = " Or put a number there that means 'not labelled', such as 255: ignore_index=255."
        raise TargetError(
            f"{name} must be classes, got NaN or infinity for {len(bad)} of {len(classes)} "
            f"samples, first for sample {int(bad[0])}. Leave these out."
            f"{instead if classes.ndim > 1 else ''}"
        )
    if not classes.is_complex() and classes.ndim > 1 and are_over_255(classes):
        raise TargetError(
            f"{name} must be classes, got multiples of 1/255, as class numbers are after "
            f"torchvision's ToTensor. Multiply them: (255 * {name}).round().long()."
        )
    if classes.is_complex() or (
        classes.is_floating_point() and not bool((classes == classes.round()).all())
    ):
        raise TargetError(
            f"{name} must be classes, got numbers that are not whole. Cut a continuous Y into "
            "classes first: numpy.digitize for one number a sample, target > 0.5 for soft masks, "
            "infoflow.KMeans() for anything dense."
        )
