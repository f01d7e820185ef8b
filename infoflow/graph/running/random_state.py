"""The random states of Python, NumPy and torch: start them from a seed, and put them back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from infoflow.interface import ArgumentError


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Run with the same random numbers each time, and leave the random states as they were."""
    with random_states_kept():
        seed_all(seed)
        yield


def seed_all(seed: int) -> None:
    """Start the random states of Python, NumPy and torch from ``seed``.

    Raises
    ------
    ArgumentError
        If NumPy cannot start from it.
    """
    if not 0 <= seed < 2**32:
        raise ArgumentError(f"seed must be a whole number from 0 to 4294967295, got {seed}.")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  a model's or a loader's own code may draw from it
    torch.manual_seed(seed)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Leave the random states of Python, NumPy and torch as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    # naming the devices keeps torch from waking those of other processes
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
