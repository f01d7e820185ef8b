"""``infoflow.plan``: what a measurement will cost, from shapes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from infoflow.capture.budget import MATRICES, fixed_bytes, format_bytes, parse_bytes, plan_passes
from infoflow.capture.collect import value_dtype
from infoflow.capture.reading_options import DistanceMode, DistanceOptions
from infoflow.capture.session import measurable
from infoflow.capture.sketch import columns_of
from infoflow.capture.strategy import Strategy, choose_strategy, strategy_beside
from infoflow.estimators import make_estimator
from infoflow.estimators.statistics import Distances, Draws
from infoflow.flow.measure import bytes_of_streams, takes_row_blocks
from infoflow.flow.stream_information import StreamMeter
from infoflow.graph import LayerGraph
from infoflow.graph.selection import LayerChoice
from infoflow.graph.text_table import as_number
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    Estimator,
    KernelNoise,
    Layer,
    total,
)
from infoflow.interface.argument_checks import shown, whole_number
from infoflow.results import Fact, Result
from infoflow.results.facts import if_known

#: A float64 multiply-add of a product costs as much as so many of the net's own, in float32.
_PRODUCT = 2.0
#: A unit that is folded into a sketch costs as much as so many multiply-adds of the net.
_FOLD = 30.0


class MeasurementPlan(Result):
    """What a measurement will do and cost.

    Attributes
    ----------
    samples, layers
        Number of samples, and of measured layers.
    capture
        How statistics are collected: exact, or from sketches.
    passes
        How often the samples are read.
    forward
        Multiply-adds of one plain forward pass over the samples; None where they are not known.
    extra
        Multiply-adds, or what costs as much, for the distances or codes.
    relative_time
        All of it over one plain forward pass, with the speed of products against convolutions that
        of a usual CPU: an estimate within a factor of about 2. None where ``forward`` is.
    memory
        Bytes above the model's own, at most.
    """

    samples, layers, passes, memory = Fact(int), Fact(int), Fact(int), Fact(int)
    extra, forward, relative_time = Fact(float), Fact(if_known), Fact(if_known)
    capture = Fact(str)

    def title(self) -> str:
        """Return the net, and how much will be measured."""
        return f"{self.model}: {self.layers} layers for {self.samples} samples"

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings and numbers."""
        names = ("model", "samples", "layers", "capture", *_COSTS)
        return {name: getattr(self, name) for name in names}

    def table(self) -> str:
        """Return what it costs, line by line."""
        passes = "1 pass" if self.passes == 1 else f"{self.passes} passes"
        return "\n".join(
            [
                self.title(),
                f"Capture: {self.capture}, {passes} over the samples",
                f"Forward pass: {as_number(self.forward, '.3g')} multiply-adds; "
                f"for the statistics: as much as {self.extra:.3g}",
                f"Time: about {as_number(self.relative_time, '.1f')} plain forward passes",
                f"Memory above the model's own: at most {format_bytes(self.memory)}",
            ]
        )


#: The costs, with their units.
_COSTS = {
    "passes": "1",
    "forward": "multiply-adds",
    "extra": "multiply-adds",
    "relative_time": "forward passes",
    "memory": "bytes",
}


def plan(
    graph: LayerGraph,
    samples: int,
    *,
    estimator: str | Estimator = "kde",
    layers: LayerChoice = "all",
    distances: DistanceMode | DistanceOptions = "auto",
    memory_budget: int | float | str = "2GB",
) -> MeasurementPlan:
    """Say what :func:`infoflow.analyze` will do and cost, before it runs.

    Nothing is computed: shapes and multiply-adds of the traced graph are enough.

    Parameters
    ----------
    graph
        From :func:`infoflow.trace`.
    samples
        Number of samples, at least 2.
    estimator, layers, distances, memory_budget
        As for :func:`infoflow.analyze`, with a target: the distances of streams take some of the
        budget.

    Raises
    ------
    ArgumentError, MemoryBudgetError
        As :func:`infoflow.analyze` would raise.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.testing import UNet
    >>> graph = infoflow.trace(UNet(base_channels=16), torch.zeros(1, 3, 128, 128))
    >>> plan = infoflow.plan(graph, samples=605, memory_budget="8GB")
    >>> plan.capture, plan.passes
    ('exact', 1)
    """
    if not isinstance(graph, LayerGraph):
        raise ArgumentTypeError(
            f"plan needs a LayerGraph, got {shown(graph)}. Write "
            "infoflow.plan(infoflow.trace(model, example), samples)."
        )
    budget, samples = parse_bytes(memory_budget), whole_number("samples", samples, least=2)
    chosen = make_estimator(estimator)
    if isinstance(chosen.statistic, Draws):
        raise ArgumentError(
            f"plan knows what estimators cost that see each sample once, got {chosen.name}, which "
            "draws noise until its standard error is small enough. Measure a few samples first."
        )
    options, measured = DistanceOptions.of(distances), measurable(graph, layers)

    def strategy_within(budget: int) -> Strategy:
        return choose_strategy(
            measured,
            samples,
            chosen.statistic,
            budget=budget,
            bytes_per_value=value_dtype(graph).itemsize,
            distances=options,
            takes_rows=takes_row_blocks(chosen),
        )

    strategy = strategy_within(budget)
    kept = 0
    if options.streams and isinstance(chosen, KernelNoise):
        wanted = bytes_of_streams(StreamMeter(graph, measured, chosen), measured, samples)
        beside = strategy_beside(strategy_within, wanted, budget)
        if beside is not None:
            strategy, kept, budget = beside, wanted, budget - wanted
    extra = _extra(measured, samples, chosen, strategy)
    whole = total(layer.multiply_adds for layer in graph.layers)
    forward = None if whole is None else float(samples * whole)
    every_pass = _passes_cost(graph, measured, samples, chosen, budget, strategy)
    relative = None
    if forward is not None and every_pass is not None:
        relative = (every_pass * samples + extra) / max(forward, 1.0)
    memory = _memory(measured, samples, chosen, strategy, budget, value_dtype(graph).itemsize)
    costs = (strategy.passes, forward, extra, relative, kept + memory)
    variables = {
        name: ((), np.nan if cost is None else cost, {"units": unit})
        for (name, unit), cost in zip(_COSTS.items(), costs, strict=True)
    }
    about = {"model": graph.model, "capture": str(strategy)}
    sizes = {"samples": ((), samples), "layers": ((), len(measured))}
    return MeasurementPlan(xr.Dataset({**sizes, **variables}, attrs=about))


def _passes_cost(
    graph: LayerGraph,
    layers: tuple[Layer, ...],
    samples: int,
    estimator: Estimator,
    budget: int,
    strategy: Strategy,
) -> float | None:
    """Return the multiply-adds of a sample in all passes: each runs to its last wanted layer."""
    whole = total(layer.multiply_adds for layer in graph.layers)
    if whole is None:
        return None
    if strategy.passes == 1:
        return float(whole)
    if strategy.is_sketch or not isinstance(estimator.statistic, Distances):
        return float(strategy.passes * whole)
    size = value_dtype(graph).itemsize
    last = [slices[-1].layer.index for slices in plan_passes(layers, samples, budget, size)]
    parts = total(layer.multiply_adds for end in last for layer in graph.layers[: end + 1])
    return None if parts is None else float(parts)


def _extra(
    layers: tuple[Layer, ...], samples: int, estimator: Estimator, strategy: Strategy
) -> float:
    units = sum(layer.units for layer in layers)
    if not isinstance(estimator.statistic, Distances):
        return float(samples * units)
    if not strategy.is_sketch:
        return _PRODUCT * samples**2 / 2 * units
    columns = sum(columns_of(layer, strategy.size) for layer in layers)
    products = samples**2 * columns * (1.0 if strategy.block_rows else 0.5)
    # in rows, the products of the whole sketch come on top of those of its two halves
    return _FOLD * samples * units + _PRODUCT * products * (2 if strategy.block_rows else 1)


def _memory(
    layers: tuple[Layer, ...],
    samples: int,
    estimator: Estimator,
    strategy: Strategy,
    budget: int,
    itemsize: int,
) -> int:
    if strategy.passes > 1:
        return budget
    units = sum(layer.units for layer in layers)
    statistic = estimator.statistic
    if not isinstance(statistic, Distances):
        return (
            2 * samples * sum(statistic.bytes_per_sample(layer.units, itemsize) for layer in layers)
        )
    columns = sum(columns_of(layer, strategy.size) for layer in layers)
    kept = columns if strategy.is_sketch else units
    fixed = (
        MATRICES * 8 * samples * strategy.block_rows
        if strategy.block_rows
        else fixed_bytes(samples)
    )
    return min(budget, itemsize * samples * kept + fixed)
