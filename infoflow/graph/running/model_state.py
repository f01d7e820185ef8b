"""Run a model in evaluation mode and leave it as it was."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from infoflow.graph.running.memory import version_of
from infoflow.interface import ArgumentError


def check_model(model: object) -> None:
    """Raise an ArgumentError for what is no ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap a function in a "
            "module whose forward calls it."
        )


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode; give it its flag, buffers and attributes back after."""
    states = [_State(module) for module in model.modules()]
    with suppress(NotImplementedError):  # an exported program has no other mode than its own
        model.eval()
    try:
        yield
    finally:
        with torch.no_grad():
            for state in states:
                state.restore()


class _State:
    """What a module was; parts and parameters that its forward makes stay."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._kind = type(module)
        self._training = module.training
        self._attributes = dict(module.__dict__)
        self._contents = {
            name: copy.copy(value)
            for name, value in module.__dict__.items()
            if type(value) in (list, dict, set, OrderedDict)
        }
        self._buffers = [
            (buffer, buffer.clone(), version_of(buffer))
            for buffer in _tensors(module.__dict__.get("_buffers"))
        ]

    def restore(self) -> None:
        self._module.training = self._training
        is_scripted = isinstance(self._module, torch.jit.ScriptModule)  # keeps itself elsewhere
        if is_scripted or type(self._module) is not self._kind or self._has_new_parts():
            return
        own = self._module.__dict__
        for name in set(own) - set(self._attributes):
            del own[name]
        own.update(self._attributes)
        for name, content in self._contents.items():
            _refill(own[name], content)
        for buffer, value, version in self._buffers:
            if version_of(buffer) != version or _differs(buffer, value):
                buffer.copy_(value)

    def _has_new_parts(self) -> bool:
        own = self._module.__dict__
        return any(
            set(own.get(name, ())) != set(self._contents.get(name, ()))
            for name in ("_parameters", "_modules")
        )


@contextmanager
def counted_writes() -> Iterator[None]:
    """Compute without gradients, but let torch count writes in place, whatever the model turns on.

    In inference mode, the caller's or one that a forward turns on, it does not count them.
    """
    enter, leave = torch.inference_mode.__enter__, torch.inference_mode.__exit__

    with torch.inference_mode(False), torch.no_grad():
        # gradients are off already, so that a model's own inference mode has nothing to add
        torch.inference_mode.__enter__ = lambda mode: None  # type: ignore[method-assign]
        torch.inference_mode.__exit__ = lambda mode, *_: None  # type: ignore[method-assign]
        try:
            yield
        finally:
            torch.inference_mode.__enter__ = enter  # type: ignore[method-assign]
            torch.inference_mode.__exit__ = leave  # type: ignore[method-assign]


def _tensors(buffers: Any) -> list[Tensor]:
    """Return the buffers that have values; a lazy module's have none yet."""
    values = buffers.values() if isinstance(buffers, dict) else ()
    return [value for value in values if isinstance(value, Tensor) and not is_lazy(value)]


def _differs(buffer: Tensor, value: Tensor) -> bool:
    """Tell whether a buffer has changed; torch does not count what the kernel of a norm writes."""
    is_plain = buffer.layout is torch.strided and not buffer.is_meta and not buffer.is_nested
    return is_plain and not torch.equal(buffer, value)


def _refill(container: Any, content: Any) -> None:
    if isinstance(container, list):
        container[:] = content
    else:
        container.clear()
        container.update(content)


@contextmanager
def countable_attention() -> Iterator[None]:
    """Turn off the fused attention kernel, whose multiplications torch does not count.

    With it, a module computes other roundings where its inputs are watched than where not.
    """
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
