"""What one run on the example tells of every node of a program."""

from __future__ import annotations

import functools
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.graph.running.memory import memory_of
from infoflow.graph.running.pytree import first_tensor

#: Positions per dimension that a probe looks at.
_POSITIONS = 4
_WATCHED = nullcontext()


@dataclass(frozen=True)
class Probe:
    """A few numbers of a value, for all samples: what is needed to see whether rows stay.

    Parameters
    ----------
    where
        The slice of each dimension; whole where the dimension may count the samples.
    numbers
        The value there.
    """

    where: tuple[slice, ...]
    numbers: Tensor

    def of(self, tensor: Tensor) -> Tensor:
        """Return the same numbers of another value, as a view."""
        with unwatched(tensor):
            return tensor.detach()[self.where]


@dataclass(frozen=True)
class Placement:
    """Where a tensor lies: its memory, where it begins there, and its strides, in numbers."""

    memory: int
    offset: int
    strides: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Placement | None:
        """Return the placement of a tensor, None where it lies in no one place."""
        memory = memory_of(tensor)
        return (
            None if memory is None else cls(memory, int(tensor.storage_offset()), tensor.stride())
        )


@dataclass(frozen=True)
class NodeInfo:
    """What is known of a node's value.

    Parameters
    ----------
    carries_tensor
        Whether the value is, or holds, a tensor.
    kind
        Type of the value.
    shape
        Shape of the (first) tensor, with the batch; empty where there is none.
    multiply_adds
        Multiplications with an addition that the node costs for the whole example; None where
        that is not known.
    probe
        A few numbers of the first tensor, None where there is no row per sample.
    is_complex
        Whether these numbers are complex.
    placement
        Where the first tensor lies in memory; two values that were alive at once share numbers
        only where they share the memory.
    """

    carries_tensor: bool
    kind: type
    shape: tuple[int, ...]
    multiply_adds: int | None = 0
    probe: Probe | None = None
    is_complex: bool = False
    placement: Placement | None = None

    @classmethod
    def of_no_tensor(cls) -> NodeInfo:
        """Return what is known of a number."""
        return cls(False, int, ())


def describe(value: Any, samples: int, multiply_adds: int | None = 0) -> NodeInfo:
    """Return the fact of a value; with ``samples`` of the batch, with a probe."""
    tensor = first_tensor(value)
    if tensor is None:
        return NodeInfo(False, type(value), (), multiply_adds)
    if tensor.is_nested:
        return NodeInfo(True, type(value), (tensor.size(0),), multiply_adds)
    shape, probe = tuple(tensor.shape), _probe(tensor, samples)
    place = Placement.of(tensor)
    return NodeInfo(True, type(value), shape, multiply_adds, probe, tensor.is_complex(), place)


def _probe(tensor: Tensor, samples: int) -> Probe | None:
    if samples == 0 or tensor.ndim == 0 or tensor.layout is not torch.strided:
        return None
    where = _where(tuple(tensor.shape), samples)
    with unwatched(tensor):
        return Probe(where, tensor.detach()[where].clone())


@functools.lru_cache(maxsize=1024)
def _where(shape: tuple[int, ...], samples: int) -> tuple[slice, ...]:
    return tuple(
        slice(None)
        if size == samples or (position == 0 and size and size % samples == 0)
        else slice(None, None, max(1, math.ceil(size / _POSITIONS)))
        for position, size in enumerate(shape)
    )


def unwatched(tensor: Tensor) -> AbstractContextManager[Any]:
    """Keep what is done to a plain tensor from those who watch what the model does."""
    is_plain = type(tensor) is Tensor or type(tensor) is nn.Parameter
    return torch._C._DisableTorchDispatch() if is_plain else _WATCHED
