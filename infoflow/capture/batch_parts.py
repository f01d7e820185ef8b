"""Batches in parts that stay near the processor's caches.

A net that computes each sample by itself may run a batch in parts. On a processor, a batch of
16 images of 128×128 takes a U-Net a quarter longer than two batches of 8: its values no longer fit
into the caches, and memory of that size is asked for anew at every call.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import torch

from infoflow.capture.batches import Batch
from infoflow.graph import LayerGraph
from infoflow.graph.running.pytree import first_tensor

#: For each thread, bytes of the widest layer's values that a part may have.
_BYTES = 8 * 2**20
#: Fewer samples at a time are not worth their overhead.
_FEWEST = 4


def parts_of(graph: LayerGraph, batch: Batch) -> Iterator[Batch]:
    """Yield a batch in parts of about the same size, or whole where it must not be divided.

    It may be where every operation is known to compute a sample by itself, and the trace has tried
    that, too. An accelerator gets it whole.
    """
    number = math.ceil(batch.size / _most(graph))
    if number == 1 or not graph.source.is_divisible or not _has_rows(batch):
        yield batch
        return
    ends = [batch.size * part // number for part in range(number + 1)]
    for first, end in itertools.pairwise(ends):
        rows = slice(first, end)
        target = None if batch.target is None else batch.target[rows]
        call, start = batch.call.select(rows), batch.start + first
        yield replace(batch, call=call, target=target, start=start, size=end - first)


def _most(graph: LayerGraph) -> int:
    widest = max((layer.units for layer in graph.layers), default=1)
    each = widest * torch.float32.itemsize
    return max(_FEWEST, _BYTES * torch.get_num_threads() // each)


def _has_rows(batch: Batch) -> bool:
    tensor = first_tensor(batch.call.first)
    is_here = tensor is not None and tensor.device.type == "cpu"
    return is_here and batch.call.has_rows_only
