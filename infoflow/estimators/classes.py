"""Counts and entropies of class labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.interface import Estimate, InfoflowError, TargetError
from infoflow.interface.errors import is_out_of_memory


def entropy_of_counts(counts: Tensor) -> float:
    """Return the entropy, in nats, of the empirical distribution with these counts.

    H = log N − (1/N) Σ n log n.
    """
    counts = counts.to(torch.float64)
    total = counts.sum()
    return float(total.log() - (counts * counts.log()).sum() / total)


def class_counts(classes: Tensor) -> Tensor:
    """Return how many samples each class that occurs has, shape (classes,)."""
    counts: Tensor = torch.unique(classes, return_counts=True)[1]
    return counts


def label_entropy(classes: Tensor) -> float:
    """Return H(Y), in nats, of (N,) class numbers."""
    return max(0.0, entropy_of_counts(class_counts(classes)))


def most_about(classes: Tensor) -> float:
    """Return the most that I(Y;M) can be in any N samples of these classes: min(log N, log K)."""
    return math.log(min(len(classes), len(class_counts(classes))))


def singleton_classes(classes: Tensor) -> int:
    """Return the number of classes that hold one sample only."""
    return int((class_counts(classes) == 1).sum())


def with_ceilings(
    ixm: tuple[float, float, float],
    iym: tuple[float, float, float],
    samples: int,
    classes: Tensor | None,
    kind: str,
) -> Estimate:
    """Put values with their bounds, (value, lower, upper) in nats, beside their ceilings."""
    ceiling = math.log(samples)
    return Estimate(
        ixm=ixm[0],
        ixm_lower=ixm[1],
        ixm_upper=ixm[2],
        iym=iym[0],
        iym_lower=iym[1],
        iym_upper=iym[2],
        ixm_ceiling=ceiling,
        iym_ceiling=math.nan if classes is None else min(ceiling, label_entropy(classes)),
        samples=samples,
        singleton_classes=0 if classes is None else singleton_classes(classes),
        kind=kind,
    )


def as_tensor(values: ArrayLike | Tensor, name: str, error: type[InfoflowError]) -> Tensor:
    """Return numbers as a tensor; an ``error`` that names the argument where they are none."""
    try:
        if not isinstance(values, Tensor):
            values = torch.as_tensor(values, device="cpu")
        tensor = values.detach()
        return tensor if tensor.layout is torch.strided else tensor.to_dense()
    except (TypeError, ValueError, RuntimeError) as reason:
        if is_out_of_memory(reason):
            raise
        raise error(
            f"{name} must be an array or a tensor of numbers, got {type(values).__name__} "
            f"({str(reason).splitlines()[0]}). Convert it with numpy.asarray first."
        ) from reason


def label_tensor(labels: ArrayLike | Tensor, name: str = "labels") -> Tensor:
    """Return labels as a tensor of numbers; names of classes are numbered in sorted order.

    Names are strings, bytes, enumeration members, or whatever else can be told apart.

    Examples
    --------
    >>> label_tensor(["owl", "cat", "owl"])
    tensor([1, 0, 1])
    """
    try:
        return as_tensor(labels, name, TargetError)
    except TargetError as reason:
        array, flat = _objects(labels, reason)
    missing = [number for number, one in enumerate(flat) if _is_missing(one)]
    if missing:
        raise TargetError(
            f"{name} must hold a class for each sample, got none for {len(missing)} of "
            f"{len(flat)}, first for number {missing[0]} (counted from 0). Leave these out."
        )
    if all(isinstance(one, (int, float, np.number)) for one in flat):
        return as_tensor(np.array(flat).reshape(array.shape), name, TargetError)
    order = sorted(set(flat), key=lambda one: (type(one).__name__, str(one)))
    numbers = {one: number for number, one in enumerate(order)}
    found = torch.tensor([numbers[one] for one in flat], dtype=torch.int64, device="cpu")
    return found.reshape(array.shape)


def _objects(labels: ArrayLike | Tensor, reason: TargetError) -> tuple[Any, list[Any]]:
    """Return labels as an array and as a list; the error ``reason`` where they are no labels."""
    try:
        array = np.asarray(labels)
        flat = array.reshape(-1).tolist()
        set(flat)
    except (TypeError, ValueError, RuntimeError):
        raise reason from None
    if array.ndim == 0:
        raise reason
    return array, flat


def _is_missing(value: object) -> bool:
    """Tell whether a value is None, NaN or the like."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA compares to itself
        return True


def as_classes(labels: ArrayLike | Tensor, samples: int) -> Tensor:
    """Return labels as (N,) int64 class numbers; a TargetError says what is wrong with them."""
    classes = label_tensor(labels)
    if classes.ndim == 2 and classes.shape[1] == 1:
        classes = classes[:, 0]
    if classes.shape != (samples,):
        raise TargetError(
            f"labels must be one class for each of the {samples} samples, got shape "
            f"{tuple(classes.shape)}. Reduce dense targets first, for example with "
            "infoflow.KMeans()."
        )
    _check_whole(classes)
    return numbered(classes)


def _check_whole(classes: Tensor) -> None:
    bad = (~torch.isfinite(classes)).nonzero().flatten()
    if len(bad):
        raise TargetError(
            f"labels must be classes, got NaN or infinity for {len(bad)} of {len(classes)} "
            f"samples, first for sample {int(bad[0])}. Leave these out."
        )
    if classes.is_complex() or (
        classes.is_floating_point() and not bool((classes == classes.round()).all())
    ):
        raise TargetError(
            "labels must be classes, got numbers that are not whole. Cut a continuous Y into "
            "classes first, for example with numpy.digitize."
        )


def numbered(classes: Tensor) -> Tensor:
    """Return (N,) classes numbered from 0 without gaps, in their order."""
    numbers: Tensor = torch.unique(classes, return_inverse=True)[1]
    return numbers


NOT_KNOWN = (math.nan, math.nan, math.nan)
