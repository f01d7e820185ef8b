"""Counts and entropies of class labels."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.interface import Estimate, InfoflowError
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
    masked = values.mask.sum() if isinstance(values, np.ma.MaskedArray) else 0
    if masked:
        raise error(
            f"{name} must be numbers, got an array of which {masked} are masked. Leave their "
            "samples out, or fill them in with .filled()."
        )
    try:
        if not isinstance(values, Tensor):
            plain = np.asarray(values) if hasattr(values, "__array__") else values
            if isinstance(plain, np.ndarray) and not plain.flags.writeable:
                plain = plain.copy()  # torch warns of memory that it may not write to
            values = torch.as_tensor(plain, device="cpu")
        tensor = values.detach()
        return tensor if tensor.layout is torch.strided else tensor.to_dense()
    except (TypeError, ValueError, RuntimeError) as reason:
        if is_out_of_memory(reason):
            raise
        raise error(
            f"{name} must be an array or a tensor of numbers, got {type(values).__name__} "
            f"({str(reason).splitlines()[0]}). Convert it with numpy.asarray first."
        ) from reason


def numbered(classes: Tensor) -> Tensor:
    """Return (N,) classes numbered from 0 without gaps, in their order."""
    numbers: Tensor = torch.unique(classes, return_inverse=True)[1]
    return numbers


NOT_KNOWN = (math.nan, math.nan, math.nan)
