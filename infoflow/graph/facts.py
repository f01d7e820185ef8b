"""What one run on the example tells of every node of a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from infoflow.graph.program import Program, first_tensor


@dataclass(frozen=True)
class Fact:
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
    """

    carries_tensor: bool
    kind: type
    shape: tuple[int, ...]
    multiply_adds: int


def collect_facts(program: Program, inputs: Sequence[Any]) -> tuple[dict[fx.Node, Fact], Any]:
    """Run ``program`` once on ``inputs``; return a fact per node, and the program's output."""
    facts: dict[fx.Node, Fact] = {}
    output = None
    counter = FlopCounterMode(display=False)
    counted = 0
    with torch.no_grad(), _countable_attention(), counter:
        for node, value in program.run(inputs):
            tensor = first_tensor(value)
            total = counter.get_total_flops()
            facts[node] = Fact(
                carries_tensor=tensor is not None,
                kind=type(value),
                shape=() if tensor is None else tuple(tensor.shape),
                multiply_adds=(total - counted) // 2 + _recurrent_cost(program, node, facts),
            )
            counted = total
            output = value
    return facts, output


def _recurrent_cost(program: Program, node: fx.Node, facts: dict[fx.Node, Fact]) -> int:
    """Count what torch does not: a recurrent module uses every weight once a sample and step."""
    if node.op != "call_module":
        return 0
    module = program.module.get_submodule(str(node.target))
    if not isinstance(module, nn.RNNBase):
        return 0
    steps = math.prod(facts[node.all_input_nodes[0]].shape[:-1])
    return steps * sum(p.numel() for p in module.parameters() if p.ndim == 2)


@contextmanager
def _countable_attention() -> Iterator[None]:
    """Turn off the fused attention kernel, whose multiplications torch does not count."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
