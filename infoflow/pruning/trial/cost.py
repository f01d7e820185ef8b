"""What a net costs to run: memory for activations, and time."""

from __future__ import annotations

import numpy as np
import torch
from torch import fx, nn

from infoflow.graph import LayerGraph
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.members import tensors_of
from infoflow.graph.running.memory import bytes_held
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.random_state import seeded
from infoflow.graph.running.stopwatch import Stopwatch
from infoflow.graph.tracing.node_values import last_reads
from infoflow.graph.tracing.program import Program

_ROUNDS = 15


def peak_activation_bytes(graph: LayerGraph) -> int:
    """Return the most memory that values need at one time, for one sample of the example.

    A value is counted from when it is computed to when it was last read, as without gradients;
    what shares memory is counted once, the inputs are, weights are not.
    """
    call = graph.source.example
    assert call is not None
    with evaluation_mode(graph.program.model):
        return peak_bytes(graph.program, call)


def peak_bytes(program: Program, call: Arguments) -> int:
    """Return what :func:`peak_activation_bytes` does, of a program and a call of its model.

    The model is in evaluation mode.
    """
    reads = last_reads(program.nodes)
    held: dict[fx.Node, dict[int, int]] = {}
    most = 0
    with torch.no_grad(), seeded():
        for node, value in program.run(call):
            if node.op not in ("get_attr", "output"):
                held[node] = bytes_held(tensors_in(value))
            most = max(most, sum(_merged(held).values()))
            for done in reads.get(node, ()):
                held.pop(done, None)
    return most // max(call.samples, 1)


def _merged(held: dict[fx.Node, dict[int, int]]) -> dict[int, int]:
    return {place: size for sizes in held.values() for place, size in sizes.items()}


def latency_ratio(
    slim: nn.Module, whole: nn.Module, call: Arguments, *, rounds: int = _ROUNDS
) -> float:
    """Return the time of a forward pass of ``slim`` over that of ``whole``, in evaluation mode.

    The shortest of some passes of each, which run in turn after one that is not counted: whatever
    else the machine does makes passes longer, never shorter. The whole net against itself tells how
    far to trust it.

    Parameters
    ----------
    slim, whole
        The two nets.
    call
        What they are called with.
    rounds
        Passes of each that count.
    """
    with evaluation_mode(slim), evaluation_mode(whole):
        return shortest_ratio(slim, whole, call, rounds=rounds)


def shortest_ratio(slim: nn.Module, whole: nn.Module, call: Arguments, *, rounds: int) -> float:
    """Return what :func:`latency_ratio` does, of nets that are in evaluation mode."""
    times = _times(slim, whole, call, rounds)
    return min(ours for ours, _ in times) / min(others for _, others in times)


def latency_interval(
    slim: nn.Module, whole: nn.Module, call: Arguments, *, rounds: int = _ROUNDS
) -> tuple[float, float, float]:
    """Return the median ratio of times of passes that follow each other, and its 95 % interval.

    The interval's ends are order statistics of the rounds: the median lies between the fourth of 15
    and the fourth from above in 96 % of cases. Other parameters are those of
    :func:`latency_ratio`.
    """
    with evaluation_mode(slim), evaluation_mode(whole):
        times = _times(slim, whole, call, rounds)
    ratios = np.sort([ours / others for ours, others in times])
    end = rounds // 4
    return float(np.median(ratios)), float(ratios[end]), float(ratios[-1 - end])


def _times(
    slim: nn.Module, whole: nn.Module, call: Arguments, rounds: int
) -> list[tuple[float, float]]:
    """Return the seconds of passes of both, which take turns; the first round is not counted."""
    watch = Stopwatch((*call.tensors, *tensors_of(slim), *tensors_of(whole)))

    def seconds(net: nn.Module) -> float:
        start = watch.now()
        call.of(net)
        return watch.now() - start

    with torch.no_grad():
        return [(seconds(slim), seconds(whole)) for _ in range(rounds + 1)][1:]
