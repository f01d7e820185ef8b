"""How exactly a training computes: in float32, or in mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import torch
from torch import nn


class Precision(Enum):
    """What ``--precision`` takes."""

    FLOAT32, BFLOAT16 = "float32", "bfloat16"


@contextmanager
def computing(model: nn.Module, precision: Precision, device: str) -> Iterator[None]:
    """Let the convolutions of a model compute in a precision, for a loss after the context.

    In mixed precision the weights stay float32, and so do the scores that the last convolution
    gives: a probability next to 1 has steps of 1/256 in bfloat16, so that it would be 1, and its
    gradient 0, wherever the net is sure.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    >>> with computing(model, Precision.BFLOAT16, "cpu"):
    ...     model[:2](torch.zeros(1, 3, 8, 8)).dtype, model(torch.zeros(1, 3, 8, 8)).dtype
    (torch.bfloat16, torch.float32)
    """
    if precision is Precision.FLOAT32:
        yield
        return
    last = [module for module in model.modules() if isinstance(module, nn.Conv2d)][-1]
    widening = last.register_forward_hook(lambda *call: call[-1].float())
    try:
        with torch.autocast(device, torch.bfloat16, cache_enabled=False):
            yield
    finally:
        widening.remove()
