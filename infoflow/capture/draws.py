"""Several draws of a noisy net's layers, for every sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.budget import plan_whole_layers
from infoflow.capture.collect import Step, value_dtype
from infoflow.capture.flat_rows import not_finite
from infoflow.capture.noisy import NoisyNet
from infoflow.estimators.statistics import Draws
from infoflow.interface import Layer


def passes_for_draws(
    net: NoisyNet, samples: Samples, layers: Sequence[Layer], statistic: Draws, budget: int
) -> int:
    """Return how many passes over the samples :func:`collect_draws` will take."""
    return len(_plan(net, samples, layers, statistic, budget))


def _plan(
    net: NoisyNet, samples: Samples, layers: Sequence[Layer], statistic: Draws, budget: int
) -> list[list[Layer]]:
    itemsize = value_dtype(net.graph()).itemsize
    return plan_whole_layers(layers, samples.count, statistic, budget, itemsize)


def collect_draws(
    net: NoisyNet,
    samples: Samples,
    layers: Sequence[Layer],
    statistic: Draws,
    *,
    budget: int,
    step: Step = lambda: None,
) -> Iterator[tuple[Layer, Tensor]]:
    """Yield each layer with its values before its own noise, over β: (N, draws, units).

    Parameters
    ----------
    net
        A noisy net that has been traced, in evaluation mode, on the device of ``samples``.
    samples
        The samples, as often as they are needed.
    layers
        Layers with noise, in the order of computation.
    statistic
        How many draws, and the seed of the net's noise.
    budget
        Bytes that may be used above the model's own.
    step
        Called after every batch.

    Raises
    ------
    ActivationError
        If a layer's value is not finite; names the layer.
    MemoryBudgetError
        If the budget does not hold a layer.
    """
    for wanted in _plan(net, samples, layers, statistic, budget):
        arenas = {
            layer.name: torch.empty(
                (samples.count, statistic.count, layer.units),
                dtype=value_dtype(net.graph()),
                device=samples.home,
            )
            for layer in wanted
        }
        for batch in samples.batches():
            _draw(net, batch, statistic, arenas)
            step()
        for layer in wanted:
            values = arenas.pop(layer.name)
            if not bool(torch.isfinite(values).all()):
                raise not_finite(layer, values.flatten(1))
            yield layer, values.div_(net.beta)


def _draw(net: NoisyNet, batch: Batch, statistic: Draws, arenas: dict[str, Tensor]) -> None:
    """Run a batch as often as there are draws, each with noise of its own."""
    graph = net.graph()
    rows = slice(batch.start, batch.start + batch.size)
    for draw in range(statistic.count):

        def keep(name: str, value: Tensor, draw: int = draw) -> None:
            if name in arenas:
                arenas[name][rows, draw] = graph.rows(name, value, batch.size).flatten(1)

        net.run(batch.call, _seed(statistic.seed, batch, draw), watch=keep, until=list(arenas))


def _seed(seed: int, batch: Batch, draw: int) -> int:
    """Return a seed for one run, the same in every pass."""
    words = np.random.SeedSequence([seed, batch.start, draw]).generate_state(1, np.uint64)
    return int(words[0] >> 2)
