"""Batches with some of their samples, one by one, and never with a single one left over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infoflow.capture.batches import Batch
from infoflow.graph.running.arguments import Arguments


def take(batch: Batch, rows: NDArray[np.int64], start: int) -> Batch:
    """Return some samples of a batch, as the samples from number ``start`` on."""
    if len(rows) == batch.size:
        return Batch(batch.call, batch.target, start, batch.size, batch.checksum)
    index = torch.from_numpy(rows)

    def select(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return leaf.index_select(0, index.to(leaf.device))
        return type(leaf)(leaf[row] for row in rows)

    target = None if batch.target is None else batch.target.index_select(0, index)
    return Batch(batch.call.combine(select), target, start, len(rows), batch.checksum)


def singles(batch: Batch) -> Iterator[Batch]:
    """Yield the samples of a batch one by one."""
    for row in range(batch.size):
        yield take(batch, np.array([row]), batch.start + row)


def without_singles(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches, those of one sample joined with the one before or after.

    A net whose ``squeeze()`` takes away the dimension of the samples runs on the others.
    """
    waiting: list[Batch] = []
    for batch in batches:
        if waiting and waiting[-1].size == 1 and _are_alike(waiting[-1], batch):
            waiting[-1] = joined(waiting[-1], batch)
        else:
            waiting.append(batch)
        while len(waiting) > 2 or (len(waiting) == 2 and waiting[-1].size > 1):
            yield waiting.pop(0)
    if len(waiting) == 2 and _are_alike(*waiting):
        waiting = [joined(*waiting)]
    yield from waiting


def joined(one: Batch, other: Batch) -> Batch:
    """Return the samples of two batches as one."""
    rest = iter(other.call.per_sample())

    def add(leaf: Any) -> Any:
        more = next(rest)
        return torch.cat([leaf, more]) if isinstance(leaf, Tensor) else type(leaf)([*leaf, *more])

    target = None
    if one.target is not None and other.target is not None:
        target = torch.cat([one.target, other.target])
    size = one.size + other.size
    return Batch(one.call.combine(add), target, one.start, size, one.checksum)


def _are_alike(one: Batch, other: Batch) -> bool:
    """Tell whether all that has a row per sample has the same shape and type in both."""
    has_targets = (one.target is None) == (other.target is None)
    return has_targets and _forms(one.call) == _forms(other.call)


def _forms(call: Arguments) -> list[object]:
    return [
        (tuple(leaf.shape[1:]), leaf.dtype) if isinstance(leaf, Tensor) else type(leaf)
        for leaf in call.per_sample()
    ]
