"""What one run on the example tells of every node of a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from infoflow.graph.running.memory import memory_of
from infoflow.graph.running.pytree import first_tensor, tensors_in
from infoflow.graph.tracing.operations import CONVOLUTIONS, TRANSPOSED

#: Functions whose multiplications are counted, beside those of modules.
_MULTIPLYING = (
    *("linear", "bilinear", "conv", "matmul", "mm", "mv", "bmm", "addmm", "baddbmm", "einsum"),
    *("tensordot", "attention", "lstm", "gru", "rnn", "chain_matmul", "dot", "inner"),
)
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
#: Positions per dimension that a probe looks at.
_POSITIONS = 4


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
        offset = int(tensor.storage_offset())
        return None if memory is None else cls(memory, offset, tensor.stride())


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
        Multiplications with an addition that the node costs for the whole example, as
        ``torch.utils.flop_counter`` counts them.
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
    multiply_adds: int = 0
    probe: Probe | None = None
    is_complex: bool = False
    placement: Placement | None = None

    @classmethod
    def of_no_tensor(cls) -> NodeInfo:
        """Return what is known of a number."""
        return cls(False, int, ())


def describe(value: Any, samples: int, multiply_adds: int = 0) -> NodeInfo:
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
    where = tuple(
        slice(None)
        if size == samples or (position == 0 and size and size % samples == 0)
        else slice(None, None, max(1, math.ceil(size / _POSITIONS)))
        for position, size in enumerate(tensor.shape)
    )
    return Probe(where, tensor[where].clone())


def multiply_adds_of(
    call: Callable[[], Any], target: Any, module: nn.Module | None, given: Any
) -> tuple[int, Any]:
    """Make a call and return its multiply-adds, as torch counts them, and its result.

    ``given`` is its arguments, by position and by name.
    """
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    if isinstance(module, nn.RNNBase):
        return _recurrent_multiply_adds(first_tensor(given), module.parameters()), call()
    if name.split(".")[0] in _RECURRENT:
        first, *weights = tensors_in(given)
        return _recurrent_multiply_adds(first, weights), call()
    if isinstance(module, (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)):
        result = call()
        return _dense_multiply_adds(module, given, result), result
    if not _may_multiply(target, module):
        return 0, call()
    with _Counter() as counter:
        result = call()
    return counter.flops // 2, result


def _may_multiply(target: Any, module: nn.Module | None) -> bool:
    if module is not None:
        return any(parameter.ndim >= 2 for parameter in module.parameters())
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    return any(part in name for part in _MULTIPLYING)


class _Counter(TorchDispatchMode):
    """Counts floating-point operations by torch's own formulas."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        formula = flop_registry.get(function._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _dense_multiply_adds(module: Any, given: Any, result: Tensor) -> int:
    """Count by torch's formulas what the most frequent layers cost, without watching them."""
    if isinstance(module, nn.Linear):
        return result.numel() * module.in_features
    taken, made = list(tensors_in(given)[0].shape), list(result.shape)
    if len(taken) < module.weight.ndim:  # one sample without a batch
        taken, made = [1, *taken], [1, *made]
    weight = list(module.weight.shape)
    flops = conv_flop_count(taken, weight, made, isinstance(module, TRANSPOSED))
    return int(flops) // 2


def _recurrent_multiply_adds(value: Tensor | None, weights: Iterable[Tensor]) -> int:
    """Count what torch does not: a recurrent layer uses every weight once a sample and step."""
    steps = 0 if value is None else math.prod(value.shape[:-1])
    return steps * sum(weight.numel() for weight in weights if weight.ndim == 2)
