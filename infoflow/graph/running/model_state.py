"""Run a model in evaluation mode and leave it as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn

from infoflow.graph.running.members import modules_of, set_training
from infoflow.graph.running.process_lock import alone
from infoflow.graph.running.settings import full_precision
from infoflow.graph.running.snapshot import Snapshot
from infoflow.interface import ArgumentError, ArgumentTypeError

#: The snapshots that will be restored when what runs now is over, the innermost last.
_WAITING: ContextVar[tuple[Snapshot, ...]] = ContextVar("waiting", default=())


def check_model(model: object) -> None:
    """Raise an ArgumentError for what is no ``torch.nn.Module``."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ArgumentTypeError(
            f"model must be a torch.nn.Module, got the class {model.__name__}. Make an object of "
            f"it: {model.__name__}()."
        )
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap a function in a "
            "module whose forward calls it."
        )


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[Snapshot]:
    """Put every module in evaluation mode; make the model what it was, to the bit, after.

    The flags are set one by one, since a model's own ``train`` and ``eval`` may do more than that.
    Modules that torch does not know to be the model's keep theirs. Products of float32 numbers are
    computed with float32 in the meantime. Only one thread at a time is let in.
    """
    with ExitStack() as stack:
        stack.enter_context(alone())
        stack.enter_context(full_precision())
        snapshot = Snapshot(model)
        token = _WAITING.set((*_WAITING.get(), snapshot))
        try:
            with snapshot.bits.watching():
                for module in modules_of(model):
                    set_training(module, False)
                yield snapshot
        finally:
            _WAITING.reset(token)
            snapshot.restore()


def include(module: nn.Module) -> None:
    """Let a module that nothing has led to be restored with the models that run now."""
    for snapshot in _WAITING.get():
        snapshot.include(module)


@contextmanager
def counted_writes(*, gradients: bool = False) -> Iterator[None]:
    """Let torch count writes in place, whatever the model turns on.

    In inference mode, the caller's or one that a forward turns on, it does not count them; there,
    gradients are only turned off. Outside of it they are on where ``gradients`` says so.
    """
    enter, leave = torch.inference_mode.__enter__, torch.inference_mode.__exit__
    thread = threading.get_ident()
    entered: dict[int, Any] = {}

    def enter_uncounted(mode: Any) -> None:
        if threading.get_ident() != thread:
            return enter(mode)
        entered[id(mode)] = torch.set_grad_enabled(torch.is_grad_enabled() and not mode.mode)
        return None

    def leave_uncounted(mode: Any, *error: Any) -> None:
        if id(mode) not in entered:
            return leave(mode, *error)
        entered.pop(id(mode)).__exit__(*error)
        return None

    with alone(), torch.inference_mode(False), torch.set_grad_enabled(gradients):
        torch.inference_mode.__enter__ = enter_uncounted  # type: ignore[method-assign]
        torch.inference_mode.__exit__ = leave_uncounted  # type: ignore[method-assign]
        try:
            yield
        finally:
            torch.inference_mode.__enter__ = enter  # type: ignore[method-assign]
            torch.inference_mode.__exit__ = leave  # type: ignore[method-assign]


@contextmanager
def countable_attention() -> Iterator[None]:
    """Turn off the fused attention kernel, whose multiplications torch does not count.

    With it, a module computes other roundings where its inputs are watched than where not.
    """
    with alone():
        enabled = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(enabled)
