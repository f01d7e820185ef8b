"""Which course a measurement takes, and what it costs, from shapes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infoflow.capture.anchor_plan import AnchorPart, anchor_bytes
from infoflow.capture.budget import MATRICES, fixed_bytes, plan_passes
from infoflow.capture.collect import value_dtype
from infoflow.capture.reading_options import DistanceOptions
from infoflow.capture.sketch import columns_of
from infoflow.capture.strategy import Strategy, choose_strategy, strategy_beside
from infoflow.estimators.kde import takes_anchors
from infoflow.estimators.statistics import Distances
from infoflow.flow.anchored import anchor_parts
from infoflow.flow.measure import bytes_of_streams, takes_row_blocks
from infoflow.flow.stream_information import StreamMeter
from infoflow.graph import LayerGraph
from infoflow.interface import Estimator, KernelNoise, Layer, total

#: A float64 multiply-add of a product costs as much as so many of the net's own, in float32.
_PRODUCT = 2.0
#: One in float32, with the rows that check it, costs this share of that.
_SINGLE = 0.65
#: A unit that is folded into a sketch costs as much as so many multiply-adds of the net.
_FOLD = 30.0
#: A kernel with all that is summed of it, for one sample and anchor, costs as much as so many.
_KERNEL = 300.0


@dataclass(frozen=True)
class Course:
    """How a measurement will go.

    Parameters
    ----------
    strategy
        How statistics are collected.
    budget
        Bytes that are left to them.
    kept
        Bytes for the distances of streams.
    parts
        The pairs of passes of anchors; none for other strategies.
    """

    strategy: Strategy
    budget: int
    kept: int = 0
    parts: tuple[AnchorPart, ...] = ()


def course_of(
    graph: LayerGraph,
    layers: tuple[Layer, ...],
    samples: int,
    estimator: Estimator,
    options: DistanceOptions,
    budget: int,
) -> Course:
    """Return the course that :func:`infoflow.analyze` takes with a target."""
    itemsize = value_dtype(graph).itemsize

    def strategy_within(budget: int) -> Strategy:
        return choose_strategy(
            layers,
            samples,
            estimator.statistic,
            budget=budget,
            bytes_per_value=itemsize,
            distances=options,
            takes_rows=takes_row_blocks(estimator),
            takes_anchors=takes_anchors(estimator),
        )

    strategy = strategy_within(budget)
    streams = None
    if options.streams and isinstance(estimator, KernelNoise):
        streams = StreamMeter(graph, layers, estimator)
    if strategy.anchors is not None:
        parts, _ = anchor_parts(layers, streams, strategy, budget, itemsize)
        return Course(replace(strategy, passes=2 * len(parts)), budget, parts=tuple(parts))
    if streams is not None:
        wanted = bytes_of_streams(streams, layers, samples)
        beside = strategy_beside(strategy_within, wanted, budget)
        if beside is not None:
            return Course(beside, budget - wanted, wanted)
    return Course(strategy, budget)


def costs_of(
    graph: LayerGraph,
    layers: tuple[Layer, ...],
    samples: int,
    estimator: Estimator,
    course: Course,
) -> tuple[int, float | None, float, float | None, int]:
    """Return passes, multiply-adds of a forward pass and beside it, their ratio, and bytes."""
    extra = _extra(layers, samples, estimator, course)
    whole = total(layer.multiply_adds for layer in graph.layers)
    forward = None if whole is None else float(samples * whole)
    every_pass = _passes_cost(graph, layers, samples, estimator, course)
    relative = None
    if forward is not None and every_pass is not None:
        relative = (every_pass * samples + extra) / max(forward, 1.0)
    memory = _memory(layers, samples, estimator, course, value_dtype(graph).itemsize)
    return course.strategy.passes, forward, extra, relative, course.kept + memory


def _passes_cost(
    graph: LayerGraph,
    layers: tuple[Layer, ...],
    samples: int,
    estimator: Estimator,
    course: Course,
) -> float | None:
    """Return the multiply-adds of a sample in all passes: each runs to its last wanted layer."""
    whole = total(layer.multiply_adds for layer in graph.layers)
    if whole is None:
        return None
    strategy = course.strategy
    if strategy.passes == 1:
        return float(whole)
    is_exact = isinstance(estimator.statistic, Distances) and not strategy.is_sketch
    if not is_exact or strategy.anchors is not None:
        return float(strategy.passes * whole)
    size = value_dtype(graph).itemsize
    last = [slices[-1].layer.index for slices in plan_passes(layers, samples, course.budget, size)]
    parts = total(layer.multiply_adds for end in last for layer in graph.layers[: end + 1])
    return None if parts is None else float(parts)


def _extra(layers: tuple[Layer, ...], samples: int, estimator: Estimator, course: Course) -> float:
    strategy = course.strategy
    units = sum(layer.units for layer in layers)
    if not isinstance(estimator.statistic, Distances):
        return float(samples * units)
    if strategy.anchors is not None:
        pairs = float(samples * strategy.anchors)
        return sum(_FOLD * samples * one.units for part in course.parts for one in part.layers) + (
            pairs * sum(_anchor_cost(part, strategy.size) for part in course.parts)
        )
    if not strategy.is_sketch:
        share = 1.0 if strategy.precision == "float64" else _SINGLE
        return share * _PRODUCT * samples**2 / 2 * units
    columns = sum(columns_of(layer, strategy.size) for layer in layers)
    products = samples**2 * columns * (1.0 if strategy.block_rows else 0.5)
    # in rows, the products of the whole sketch come on top of those of its two halves
    return _FOLD * samples * units + _PRODUCT * products * (2 if strategy.block_rows else 1)


def _anchor_cost(part: AnchorPart, size: int) -> float:
    """Return what each pair of a sample and an anchor costs in a pair of passes."""
    columns = sum(columns_of(layer, size) for layer in part.layers)
    return _PRODUCT * columns + _KERNEL * sum(item.sums for item in part.items)


def _memory(
    layers: tuple[Layer, ...],
    samples: int,
    estimator: Estimator,
    course: Course,
    itemsize: int,
) -> int:
    strategy, budget = course.strategy, course.budget
    if strategy.anchors is not None:
        anchors, size = strategy.anchors, strategy.size
        return max(anchor_bytes(part, anchors, size, itemsize) for part in course.parts)
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
