"""The time that a computation takes, on accelerators, too, which only take orders at once."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from torch import Tensor


class Stopwatch:
    """Reads the clock when everything that was asked for has been computed.

    Parameters
    ----------
    tensors
        What is computed with: they tell which devices to wait for.

    Examples
    --------
    >>> watch = Stopwatch([torch.zeros(2)])
    >>> before = watch.now()
    >>> watch.now() >= before
    True
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._devices = {tensor.device for tensor in tensors} - {torch.device("cpu")}

    def now(self) -> float:
        """Return the time in seconds."""
        for device in self._devices:
            wait = getattr(getattr(torch, device.type, None), "synchronize", None)
            if wait is not None:
                wait() if device.type == "mps" else wait(device)
        return time.perf_counter()
