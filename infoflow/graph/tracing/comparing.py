"""Compare what two runs gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from infoflow.graph.tracing.rows import is_close
from infoflow.graph.tracing.variations import is_plain


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
