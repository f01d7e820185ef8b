"""Measure a model and leave it, the loader and the random state as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.graph.running.members import modules_of, store, tensors_of
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.random_state import random_states_kept, seed_all
from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import shown


@contextmanager
def undisturbed(
    model: nn.Module, loader: Iterable[Any], device: str | None
) -> Iterator[torch.device]:
    """Put ``model`` in evaluation mode, without gradients, on ``device``; undo all of it after.

    The random states of Python, NumPy, torch and the loader's own generator come back too, also
    after an exception.

    Yields
    ------
    torch.device
        Where the model is.
    """
    wanted = None if device is None else check_device(device)
    with ExitStack() as stack:
        stack.enter_context(evaluation_mode(model))
        stack.enter_context(_random_states_kept(loader))
        stack.enter_context(torch.no_grad())
        yield stack.enter_context(_on_device(model, wanted))


def seed_everything(seed: int, loader: Iterable[Any]) -> None:
    """Start every random state from ``seed``, so that a loader that shuffles repeats its order."""
    seed_all(seed)
    for generator in _generators(loader):
        generator.manual_seed(seed)


def _generators(loader: Iterable[Any]) -> list[torch.Generator]:
    """Return the loader's own generators of random numbers, and those of its samplers."""
    batches = getattr(loader, "batch_sampler", None)
    places = (loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None))
    found = (getattr(place, "generator", None) for place in places)
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())


@contextmanager
def _random_states_kept(loader: Iterable[Any]) -> Iterator[None]:
    before = [(generator, generator.get_state()) for generator in _generators(loader)]
    with random_states_kept():
        try:
            yield
        finally:
            for generator, state in before:
                generator.set_state(state)


@contextmanager
def _on_device(model: nn.Module, wanted: torch.device | None) -> Iterator[torch.device]:
    homes = {tensor.device for tensor in tensors_of(model)}
    home = next(iter(homes), torch.device("cpu"))
    if wanted is None:
        yield home
        return
    if homes <= {wanted}:
        yield wanted
        return
    if len(homes) > 1:
        raise ArgumentError(
            f"device={str(wanted)!r} would move a model whose parameters lie on {len(homes)} "
            "devices. Leave device out to measure the model where it is."
        )
    _move(model, wanted)
    yield wanted  # evaluation_mode gives the tensors their own memory back


def _move(model: nn.Module, device: torch.device) -> None:
    """Move a model as ``nn.Module.to`` does, whatever the model itself makes of ``to``."""
    for module in modules_of(model):
        for parameter in store(module, "_parameters").values():
            if isinstance(parameter, Tensor):
                parameter.data = parameter.data.to(device)
        own = vars(module).get("_buffers", {})
        for name, buffer in own.items():
            if isinstance(buffer, Tensor):
                own[name] = buffer.to(device)
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()


def check_device(device: str) -> torch.device:
    """Return a device that exists here; a ValueError lists what does."""
    cause, reason = None, "its tensors have no values"
    try:
        found = torch.empty(0, device=device, dtype=torch.float32).device
        if found.type != "meta":
            return found
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        cause, reason = error, "torch finds no such device"
    here = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    raise ArgumentError(
        f"device {shown(device)} cannot be used here ({reason}). Available: {', '.join(here)}."
    ) from cause
