"""Run a model in evaluation mode and leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from torch import nn

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
    """Put every module in evaluation mode; give each its own flag back afterwards."""
    flags = {module: module.training for module in model.modules()}
    with suppress(NotImplementedError):  # an exported program has no other mode than its own
        model.eval()
    try:
        yield
    finally:
        for module, flag in flags.items():
            module.training = flag
