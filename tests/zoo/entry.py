"""A model of the zoo: how it is built, and what it is called with."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.graph.running.model_state import countable_attention

#: Positional and keyword arguments of one call.
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
#: Makes the arguments for a number of samples and a seed.
Make = Callable[[int, int], Arguments]


@dataclass(frozen=True)
class Entry:
    """One model.

    Parameters
    ----------
    library, name, category
        Where it is from, how it is called there, and what it is for.
    build
        Makes the model, without weights from the network.
    inputs
        Yields ways to make the arguments of a model; the first that runs is taken.
    usual
        Makes arguments of the size that the library uses itself, on which tracing is timed.
    """

    library: str
    name: str
    category: str
    build: Callable[[], nn.Module]
    inputs: Callable[[nn.Module], Iterable[Make]]
    usual: Callable[[nn.Module], Make] | None = None

    @property
    def key(self) -> str:
        return f"{self.library}:{self.name}"


class CannotRunError(Exception):
    """The model itself cannot be built or run here, whatever traces it."""


@dataclass(frozen=True)
class Subject:
    """A built model and what makes its arguments."""

    model: nn.Module
    make: Make

    def arguments(self, samples: int = 2, seed: int = 0) -> Arguments:
        return self.make(samples, seed)

    def run(self, arguments: Arguments, model: nn.Module | None = None) -> Any:
        """Call the model as it is called everywhere in the zoo: in evaluation mode, seeded."""
        args, kwargs = copied(arguments)
        torch.manual_seed(0)
        with torch.no_grad(), countable_attention():
            return (self.model if model is None else model)(*args, **kwargs)


def prepare(entry: Entry) -> Subject:
    """Build the model of an entry and find arguments that it takes."""
    torch.manual_seed(0)
    try:
        model = entry.build().eval()
    except CannotRunError:
        raise
    except Exception as error:
        raise CannotRunError(f"cannot be built: {one_line(error)}") from error
    return runnable(model, entry.inputs(model))


def runnable(model: nn.Module, makes: Iterable[Make]) -> Subject:
    """Return a model with the first arguments with which it runs."""
    first: Exception | None = None
    for make in makes:
        subject = Subject(model, make)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                subject.run(subject.arguments())
        except Exception as error:
            first = first or error
            gc.collect()
            continue
        return subject
    raise CannotRunError(f"does not run: {one_line(first)}") from first


def one_line(error: BaseException | None, length: int = 160) -> str:
    """Return the type and the first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:length] if text else ''}"


def copied(value: Any) -> Any:
    """Return nested arguments with copies of their tensors: a model may write to them."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    return type(value)(map(copied, value)) if isinstance(value, (list, tuple)) else value


def uniform(*shape: int) -> Make:
    """Make one tensor of numbers in [0, 1), with the samples first."""

    def make(samples: int, seed: int) -> Arguments:
        return (draw(seed, samples, *shape),), {}

    return make


def draw(seed: int, *shape: int) -> Tensor:
    """Draw numbers in [0, 1)."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def draw_integers(seed: int, low: int, high: int, *shape: int) -> Tensor:
    """Draw integers from low to high - 1."""
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def squares(*sizes: int, channels: int = 3) -> list[Make]:
    """Make square images, of the first size that the model takes."""
    return [uniform(channels, size, size) for size in dict.fromkeys(sizes)]
