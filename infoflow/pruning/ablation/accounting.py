"""What a net without streams saves: parameters, multiply-adds, memory and time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial

from infoflow.graph import LayerGraph
from infoflow.graph.operations.counter import multiply_adds_of
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.tracing.program import Program
from infoflow.pruning.rewriting.limits import used_parameters
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.trial.cost import peak_bytes, shortest_ratio

#: Passes of each net that are timed; the shortest counts.
_ROUNDS = 3


@dataclass(frozen=True)
class Savings:
    """What a net without streams saves, beside the whole net; NaN where that is not known.

    Parameters
    ----------
    parameters, multiply_adds
        Learned numbers, and multiply-adds of one sample, that go.
    activation_bytes
        By how much the peak memory of one sample's values falls, in bytes.
    time
        Measured time of a forward pass of the example, over that of the whole net.
    """

    parameters: float = math.nan
    multiply_adds: float = math.nan
    activation_bytes: float = math.nan
    time: float = math.nan


@dataclass(frozen=True)
class Accountant:
    """Counts what nets save.

    Parameters
    ----------
    graph
        The whole net's graph, with its program and an example.
    """

    graph: LayerGraph

    def savings(self, slim: PrunedModel) -> Savings:
        """Return what a net saves; it and the whole net are in evaluation mode."""
        if slim.lineage is None:
            return Savings()
        multiply_adds, activation_bytes = self._costs(slim.lineage.program(slim))
        before, before_bytes = self._whole
        return Savings(
            float(self._parameters - sum(p.numel() for p in slim.parameters())),
            before - multiply_adds,
            before_bytes - activation_bytes,
            shortest_ratio(slim, self.graph.source.model, self._call, rounds=_ROUNDS),
        )

    @cached_property
    def _whole(self) -> tuple[float, float]:
        return self._costs(self.graph.program)

    @cached_property
    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in used_parameters(self.graph).values())

    @property
    def _call(self) -> Arguments:
        call = self.graph.source.example
        assert call is not None
        return call

    def _costs(self, program: Program) -> tuple[float, float]:
        """Return the multiply-adds and the peak memory of one sample of the example."""
        run = partial(peak_bytes, program, self._call)
        counted, peak = multiply_adds_of(run, "forward", None, ((), {}))
        samples = max(self._call.samples, 1)
        return math.nan if counted is None else float(counted // samples), float(peak)
