"""What a model is, in a form that can be compared; written without the code that puts it back."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def fingerprint(model: nn.Module) -> dict[str, str]:
    """Return a digest of every tensor, flag, attribute and hook, and of the random states."""
    found = {
        "random states": _digest(
            repr(random.getstate()).encode(),
            np.random.get_state()[1].tobytes(),  # noqa: NPY002
            torch.get_rng_state().numpy().tobytes(),
        )
    }
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            found[f"{name}.{key}"] = _of(value)
    return found


def moved(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the names of what is not as it was."""
    names = before.keys() | after.keys()
    return sorted(name for name in names if before.get(name) != after.get(name))


def _of(value: Any, depth: int = 0) -> str:
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, (bool, int, float, str, type(None))):
        return repr(value)
    if isinstance(value, dict) and depth < 4:
        parts = (f"{key}: {_of(part, depth + 1)}" for key, part in value.items())
        return _digest(type(value).__name__.encode(), "; ".join(parts).encode())
    if isinstance(value, (list, tuple)) and depth < 4:
        return _digest("; ".join(_of(part, depth + 1) for part in value).encode())
    return f"{type(value).__name__} at {id(value)}"


def _of_tensor(tensor: Tensor) -> str:
    about = f"{tensor.dtype} {tuple(tensor.shape)} {tensor.stride()} {tensor.requires_grad}"
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.is_quantized:
        return about
    flat = tensor.detach().contiguous().view(-1)
    gradient = "" if not tensor.is_leaf or tensor.grad is None else _of_tensor(tensor.grad)
    return _digest(about.encode(), flat.view(torch.uint8).numpy().tobytes(), gradient.encode())


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
