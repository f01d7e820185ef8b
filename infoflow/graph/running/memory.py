"""Where a tensor lies in memory, and how often that was written to."""

from __future__ import annotations

import torch
from torch import Tensor


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
