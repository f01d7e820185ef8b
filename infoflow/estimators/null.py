"""What an estimate is where there is nothing to know: the classes shuffled among the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

#: Shuffles of the classes.
PERMUTATIONS = 100
_QUANTILE = 0.95


def shuffled(classes: Tensor, permutations: int) -> Tensor:
    """Return classes in ``permutations`` random orders, always the same: (permutations, N)."""
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(classes), generator=generator) for _ in range(permutations)]
    if not orders:
        return classes.new_empty(0, len(classes))
    return classes[torch.stack(orders).to(classes.device)]


@dataclass(frozen=True)
class Null:
    """Mean and 95 % quantile of what is estimated where there is nothing to know."""

    mean: float = math.nan
    high: float = math.nan


def null_of(values: Tensor) -> Null:
    """Return the null that (permutations,) estimates make; NaN without any."""
    if not len(values):
        return Null()
    return Null(float(values.mean()), float(values.quantile(_QUANTILE)))
