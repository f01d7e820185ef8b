"""Where a tensor lies in memory, and how often that was written to."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from infoflow.graph.running.ragged import blocks_of


def same_place(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors are the same numbers in the same memory."""
    return (
        one.data_ptr() == other.data_ptr()
        and one.shape == other.shape
        and one.stride() == other.stride()
    )


def memory_of(tensor: Tensor) -> int | None:
    """Return where a tensor's numbers lie, None where they lie in no one place (sparse, nested)."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return None
    try:
        storage = tensor.untyped_storage()
        # without data there is no address, but a storage is still one and the same
        return storage._cdata if tensor.is_meta else storage.data_ptr()
    except (RuntimeError, NotImplementedError):  # a subclass that wraps others
        return None


def version_of(tensor: Tensor) -> int:
    """Return how often a tensor's memory was written to; 0 where torch does not count."""
    return 0 if tensor.is_inference() else tensor._version


def bytes_held(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Return the bytes of each memory that tensors lie in; what shares memory is there once."""
    found: dict[int, int] = {}
    for tensor in tensors:
        place = memory_of(tensor)
        if place is None:
            blocks = [tensor] if tensor.layout is torch.strided else blocks_of(tensor)
            found[id(tensor)] = sum(block.numel() * block.element_size() for block in blocks)
        else:
            found[place] = tensor.untyped_storage().nbytes()
    return found
