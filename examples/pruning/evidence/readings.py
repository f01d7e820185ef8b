"""What others rank streams by: numbers that are larger where a stream should be needed more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infoflow.graph import LayerGraph
from infoflow.interface import Merge, Skip

WEIGHTS = "root mean square of the weights that go"
PARAMETERS = "parameters that go"
POSITION = "position: the first three quarters before the last"
RANDOM = "random"
INFLUENCE = "block influence, 1 − cos(with, without)"
NORM = "relative norm at the merge"

Readings = dict[str, dict[str, float]]


def cheap_readings(
    model: nn.Module,
    graph: LayerGraph,
    slims: Mapping[str, nn.Module],
    inputs: Tensor,
    seed: int,
) -> Readings:
    """Return readings from weights, names and the values of one batch, by reading and stream.

    Parameters
    ----------
    model, graph
        The whole net.
    slims
        By stream, the net without it.
    inputs
        A batch.
    seed
        Of the random order.
    """
    values = graph.values(inputs)
    found: Readings = {name: {} for name in (WEIGHTS, PARAMETERS, POSITION, RANDOM)}
    found |= {INFLUENCE: {}, NORM: {}}
    merges = {skip: merge for merge in graph.merges for skip in _names(merge)}
    chances = np.random.default_rng(seed).permutation(len(slims))
    for place, (name, slim) in enumerate(slims.items()):
        found[WEIGHTS][name], found[PARAMETERS][name] = _weights_that_go(model, slim)
        found[POSITION][name] = -math.floor(4 * place / len(slims))
        found[RANDOM][name] = float(chances[place])
        merge = merges[name]
        found[NORM][name] = relative_norm(merge, name, values)
        found[INFLUENCE][name] = influence(merge, name, values)
    return {reading: _known(numbers) for reading, numbers in found.items()}


def _known(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in numbers.items() if not math.isnan(value)}


def _names(merge: Merge) -> list[str]:
    skips: Sequence[Skip] = (*((merge.branch,) if merge.branch else ()), *merge.skips)
    return [skip.name for skip in skips]


def _weights_that_go(model: nn.Module, slim: nn.Module) -> tuple[float, float]:
    """Return the root mean square, and the number, of weights that only the whole net has."""
    (square, count, number), (less, fewer, rest) = (_weights(net) for net in (model, slim))
    if count == fewer:
        return math.nan, float(number - rest)
    return math.sqrt(max(0.0, square - less) / (count - fewer)), float(number - rest)


def _weights(net: nn.Module) -> tuple[float, int, int]:
    matrices = [p.detach().double() for p in net.parameters() if p.ndim >= 2]
    square = sum(float(p.square().sum()) for p in matrices)
    return square, sum(p.numel() for p in matrices), sum(p.numel() for p in net.parameters())


def _source(merge: Merge, name: str) -> str:
    return name.removesuffix(f"->{merge.name}")


def relative_norm(merge: Merge, name: str, values: Mapping[str, Tensor]) -> float:
    """Return the norm of a stream over the root of the sum of squared norms of all streams.

    Where streams are of several sizes, as a map that is enlarged before it is concatenated, each
    counts with its mean square per place times its channels.
    """
    if any(stream not in values for stream in merge.streams):
        return math.nan
    powers = {s: _power(values[s]) for s in merge.streams}
    total = sum(powers.values())
    return math.sqrt(powers[_source(merge, name)] / total) if total > 0 else math.nan


def _power(value: Tensor) -> float:
    """Return the mean square per place times the channels."""
    channels = value.shape[1] if value.ndim > 1 else 1
    return float(value.double().square().mean()) * channels


def influence(merge: Merge, name: str, values: Mapping[str, Tensor]) -> float:
    """Return 1 − cos of a merge's value with and without a stream, the mean over samples."""
    if any(stream not in values for stream in merge.streams):
        return math.nan
    rest = [values[s].double() for s in merge.streams if s != _source(merge, name)]
    stream = values[_source(merge, name)].double()
    if merge.kind == "concat":
        # the cosine of a vector and itself with a part set to zero
        share = sum(_power(value) for value in rest)
        return 1 - math.sqrt(share / (share + _power(stream)))
    try:
        if merge.kind == "add":
            without = sum(rest[1:], rest[0])
            whole = without + stream
        elif merge.kind == "mul":
            without = math.prod(rest[1:], start=rest[0])
            whole = without * stream
        else:
            return math.nan
        without, whole = torch.broadcast_tensors(without, whole)
    except RuntimeError:  # reshaped on the way to the merge
        return math.nan
    cosines = functional.cosine_similarity(without.flatten(1), whole.flatten(1), dim=1)
    return float(1 - cosines.mean())
