"""A device that is not there: tensors that say they lie on it, with numbers of the CPU.

Operations on tensors of several devices stop as they do on an accelerator, and so does ``numpy()``.
It shows where code forgets the device of what it makes; it shows nothing of an accelerator's own
arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only

#: Where generators say that they live, by their address.
_HOMES: dict[int, str] = {}
#: Operations that may read one device and write to another.
_CROSSING = ("aten::copy_", "aten::_to_copy", "aten::_copy_from")
#: Operations whose indices may stay on the CPU.
_INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")


class Placed(Tensor):
    """A tensor that says that it lies on another device."""

    @staticmethod
    def __new__(cls, inner: Tensor, device: torch.device) -> Placed:
        return Tensor._make_wrapper_subclass(  # type: ignore[attr-defined,no-any-return]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=device,
            requires_grad=inner.requires_grad,
        )

    def __init__(self, inner: Tensor, device: torch.device) -> None:
        self.inner = inner

    def __tensor_flatten__(self) -> tuple[list[str], torch.device]:
        return ["inner"], self.device

    @staticmethod
    def __tensor_unflatten__(inner: Any, device: Any, size: Any, stride: Any) -> Placed:
        return Placed(inner["inner"], device)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> Tensor:
        # torch would make a tensor of a list's numbers on the device itself
        return super().__getitem__(_numbered(index))

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __repr__(self, **options: Any) -> str:
        return f"Placed({self.inner!r}, {self.device})"


def _numbered(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_numbered, index))
    return torch.tensor(index, device="cpu").long() if isinstance(index, list) else index


class _Generator(torch.Generator):
    """Draws on the CPU, and says that it lives on the device."""

    def __new__(cls, device: Any = "cpu") -> _Generator:
        return super().__new__(cls, device="cpu")

    def __init__(self, device: Any = "cpu") -> None:
        self.place = torch.device(device)
        _HOMES[self._cdata] = str(self.place)

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place


class _Device(TorchDispatchMode):
    """Makes tensors on the device, and moves others there."""

    # torch starts no accelerator under a mode of this key
    _mode_key = torch._C._TorchDispatchModeKey.FAKE

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    name = func._schema.name
    home = next((leaf.device for leaf in leaves if isinstance(leaf, Placed)), None)
    strangers = [t for t in leaves if t.ndim and not isinstance(t, Placed) and not t.is_meta]
    if name in _INDEXING:
        strangers = [t for t in strangers if t is args[0]]
    if home is not None and strangers and name not in _CROSSING:
        raise RuntimeError(
            f"{name}: expected all tensors to be on the same device, but found at least two "
            f"devices, {home} and {strangers[0].device}"
        )
    generator = kwargs.get("generator")
    there = str(kwargs.get("device") or home or "cpu")
    if generator is not None and _HOMES.get(generator._cdata, "cpu") != there:
        raise RuntimeError(f"{name}: expected a generator on {there}")
    wanted = kwargs.get("device")
    if wanted is not None:
        home = torch.device(wanted)
        kwargs = {**kwargs, "device": "cpu" if home.type in ("cuda", "mps") else home}
    if home is not None and home.type == "mps":
        _check_dtype(kwargs.get("dtype"), leaves)
    bare = tree_map_only(Placed, lambda t: t.inner, (args, kwargs))
    result = func(*bare[0], **bare[1])
    if home is None or home.type not in ("cuda", "mps"):
        return result
    if name.endswith("_") and isinstance(args[0], Tensor) and not isinstance(args[0], Placed):
        return args[0]
    placed = tree_map(
        lambda r: Placed(r, home) if isinstance(r, Tensor) and not isinstance(r, Placed) else r,
        result,
    )
    return return_and_correct_aliasing(func, args, kwargs, placed) if leaves else placed


def _check_dtype(dtype: Any, leaves: list[Tensor]) -> None:
    if dtype in (torch.float64, torch.complex128):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't")


@contextmanager
def pretended(kind: str = "cuda") -> Iterator[torch.device]:
    """Let ``cuda`` (or ``mps``) tensors be made in this block."""
    device = torch.device(kind, 0)
    if kind == "cuda":
        if not hasattr(torch._C, "_ensureCUDADeviceGuardSet"):
            pytest.skip("this torch asks for an accelerator that is there")
        torch._C._ensureCUDADeviceGuardSet()
    only_cpu = torch._C._only_lift_cpu_tensors()  # type: ignore[attr-defined]
    torch._C._set_only_lift_cpu_tensors(True)  # type: ignore[attr-defined]
    try:
        with (
            patch.object(torch.cuda, "synchronize", lambda *_: None),
            patch.object(torch, "Generator", _Generator),
            torch.backends.cudnn.flags(enabled=False),
            _Device(device),
        ):
            yield device
    finally:
        torch._C._set_only_lift_cpu_tensors(only_cpu)  # type: ignore[attr-defined]


def moved(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a model to the device; ``nn.Module.to`` asks for an accelerator that is there."""
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = nn.Parameter(
                    Placed(parameter.detach().clone(), device), parameter.requires_grad
                )
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = Placed(buffer.clone(), device)
    return model
