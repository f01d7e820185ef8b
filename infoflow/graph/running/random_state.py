"""The random states of Python, NumPy and torch: start them from a seed, and put them back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from infoflow.graph.running.process_lock import alone
from infoflow.interface.argument_checks import seed_number


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Run with the same random numbers each time, and leave the random states as they were."""
    with random_states_kept():
        seed_all(seed)
        yield


def seed_all(seed: int) -> None:
    """Start the random states of Python, NumPy and torch from ``seed``.

    Accelerators that nobody has used yet are not woken, and not told to start from it later.

    Raises
    ------
    ArgumentError
        If NumPy cannot start from it.
    """
    seed = seed_number(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  a model's or a loader's own code may draw from it
    torch.default_generator.manual_seed(seed)
    _seed_accelerators(seed)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Leave the random states of Python, NumPy and torch as they were.

    The states belong to the process, so only one thread at a time is let in.
    """
    with alone():
        before, first = random_states(), torch.initial_seed()
        try:
            yield
        finally:
            python, numpy, cpu, accelerators = before
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            torch.set_rng_state(cpu)
            if _awake() - set(accelerators):
                _seed_accelerators(first)  # as those start that wake after torch.manual_seed
            for name, states in accelerators.items():
                _set_states(name, states)


def random_states() -> tuple[Any, Any, torch.Tensor, dict[str, list[torch.Tensor]]]:
    """Return the random states of Python, of NumPy, of torch, and of each accelerator in use."""
    states = {name: _states(name) for name in _awake()}
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), states  # noqa: NPY002


def _awake() -> set[str]:
    """Return the kinds of accelerators that are in use; asking wakes none."""
    awake = {name for name in ("cuda", "xpu") if getattr(torch, name).is_initialized()}
    return awake | ({"mps"} if torch.backends.mps.is_available() else set())


def _states(name: str) -> list[torch.Tensor]:
    home = getattr(torch, name)
    if name == "mps":
        return [home.get_rng_state()]
    return [home.get_rng_state(number) for number in range(home.device_count())]


def _set_states(name: str, states: list[torch.Tensor]) -> None:
    home = getattr(torch, name)
    if name == "mps":
        home.set_rng_state(states[0])
        return
    for number, state in enumerate(states):
        home.set_rng_state(state, number)


def _seed_accelerators(seed: int) -> None:
    for name in _awake():
        home = getattr(torch, name)
        (home.manual_seed if name == "mps" else home.manual_seed_all)(seed)
