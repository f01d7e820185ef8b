"""Exact or sketched, in how many passes: what a capture will do, known from shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from infoflow.capture.anchor_plan import AnchorItem, plan_anchors
from infoflow.capture.batches import Samples
from infoflow.capture.budget import (
    MATRICES,
    enough_bytes,
    fixed_bytes,
    format_bytes,
    plan_passes,
    plan_whole_layers,
)
from infoflow.capture.collect import add_up_products, collect, value_dtype
from infoflow.capture.reading_options import DistanceOptions
from infoflow.capture.sketch import Gathered, plan_sketches, sketch_layers
from infoflow.estimators.products import Precision, SingleProducts
from infoflow.estimators.statistics import Distances
from infoflow.graph import LayerGraph
from infoflow.interface import ArgumentError, Layer, MemoryBudgetError, Statistic

#: Above so many multiply-adds for exact distances, samples² · units / 2, ``"auto"`` sketches.
MOST_EXACT = 2e12
#: Above so many samples, ``"auto"`` takes anchors.
MOST_SAMPLES = 4000
#: Fewer rows of distances at a time are not worth their overhead.
_FEWEST_ROWS = 16


@dataclass(frozen=True)
class Strategy:
    """How the statistics of the layers are collected.

    Parameters
    ----------
    is_sketch
        Whether distances come from sketches.
    size
        Columns of a sketch.
    block_rows
        Rows of distances that are alive at a time; None for the whole N×N matrix.
    passes
        How often the samples are read.
    anchors
        Samples whose distances to all samples are taken; None where those between all are.
    precision
        In what exact distances multiply.
    """

    is_sketch: bool
    size: int
    block_rows: int | None
    passes: int
    anchors: int | None = None
    precision: Precision = "float64"

    @property
    def doubt(self) -> str:
        """What the stated error of the distances comes from."""
        return "products in float32" if self.precision == "float32" else "sketched distances"

    def __str__(self) -> str:
        if self.anchors is not None:
            return f"{self.anchors} anchors, sketches of {self.size} columns of wide layers"
        if not self.is_sketch:
            return "exact" if self.precision == "float64" else f"exact, in {self.precision}"
        rows = f", {self.block_rows} rows of distances at a time" if self.block_rows else ""
        return f"sketch of {self.size} columns{rows}"


def choose_strategy(
    layers: Sequence[Layer],
    samples: int,
    statistic: Statistic,
    *,
    budget: int,
    bytes_per_value: int,
    distances: DistanceOptions | None = None,
    takes_rows: bool = True,
    takes_anchors: bool = False,
) -> Strategy:
    """Choose how to collect a statistic of ``layers`` for so many samples.

    Parameters
    ----------
    layers, samples, statistic
        What is collected.
    budget
        Bytes that may be used.
    bytes_per_value
        Of the layers' values.
    distances
        How distances are taken; ``"auto"`` is by anchors above :data:`MOST_SAMPLES`, and exact up
        to :data:`MOST_EXACT` multiply-adds as long as N×N matrices fit into the budget.
    takes_rows
        Whether the estimator can do with blocks of rows of the distances.
    takes_anchors
        Whether it can do with the rows of anchors.

    Raises
    ------
    ArgumentError
        For a sketch or anchors of what is no distance, or an estimator that needs all distances.
    MemoryBudgetError
        If the budget is too small; says how much would do.
    """
    distances = distances or DistanceOptions()
    mode, size = distances.mode, distances.sketch_size
    if mode == "anchors" and not takes_anchors:
        raise ArgumentError(
            "distances='anchors' keeps sums of kernels of some rows, but this estimator needs "
            "something else. Choose estimator='kde', or leave distances out."
        )
    if not isinstance(statistic, Distances):
        if mode == "sketch":
            raise ArgumentError(
                "distances='sketch' keeps distances, but this estimator needs something else, "
                f"{statistic!r}. Choose estimator='kde', or leave distances out."
            )
        passes = len(plan_whole_layers(layers, samples, statistic, budget, bytes_per_value))
        return Strategy(False, size, None, passes)
    if mode == "anchors" or (mode == "auto" and takes_anchors and samples > MOST_SAMPLES):
        anchors = min(samples, distances.anchors)
        items = [AnchorItem((layer,)) for layer in layers]
        parts = plan_anchors(items, anchors, size, budget, bytes_per_value)
        return Strategy(False, size, None, 2 * len(parts), anchors)
    is_crowded = fixed_bytes(samples) >= budget
    cost = samples**2 / 2 * sum(layer.units for layer in layers)
    wants_whole = is_crowded and not takes_rows  # for which there is no room: an error says so
    is_cheap = mode == "auto" and not is_crowded and cost <= MOST_EXACT
    if mode == "exact" or wants_whole or is_cheap:
        passes = len(plan_passes(layers, samples, budget, bytes_per_value))
        return Strategy(False, size, None, passes, precision=distances.precision)
    rows = None if not is_crowded else _rows(samples, budget)
    left = budget - (fixed_bytes(samples) if rows is None else budget // 2)
    passes = len(plan_sketches(layers, samples, size, left, bytes_per_value))
    return Strategy(True, size, rows, passes)


def strategy_beside(choose: Callable[[int], Strategy], kept: int, budget: int) -> Strategy | None:
    """Return the strategy for what is left of a budget beside the distances of streams.

    None where these do not fit: they take more than half, or the rest has no room for N×N.

    Parameters
    ----------
    choose
        Chooses a strategy for a budget.
    kept, budget
        Bytes that the streams need, and of which they are taken.
    """
    if kept > budget / 2:
        return None
    try:
        strategy = choose(budget - kept)
    except MemoryBudgetError:
        return None
    return None if strategy.block_rows else strategy


def _rows(samples: int, budget: int) -> int:
    row = MATRICES * 8 * samples
    rows = budget // 2 // row
    if rows < _FEWEST_ROWS:
        raise MemoryBudgetError(
            f"memory_budget of {format_bytes(budget)} does not hold {_FEWEST_ROWS} rows of "
            f"distances between {samples} samples. Expected at least "
            f"{enough_bytes(2 * _FEWEST_ROWS * row)}. Raise it, or use fewer samples."
        )
    return int(rows)


def gather(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    statistic: Statistic,
    strategy: Strategy,
    *,
    budget: int,
    step: Callable[[], object] = lambda: None,
) -> Iterator[Gathered]:
    """Yield each layer with its statistic over all samples, collected by a strategy."""
    if strategy.precision == "float32":
        added = add_up_products(graph, samples, layers, SingleProducts, budget=budget, step=step)
        yield from (Gathered(layer, *products.distances()) for layer, products in added)
        return
    if not strategy.is_sketch:
        for layer, value in collect(graph, samples, layers, statistic, budget=budget, step=step):
            yield Gathered(layer, value)
        return
    fixed = budget // 2 if strategy.block_rows else fixed_bytes(samples.count)
    yield from sketch_layers(
        graph,
        samples,
        layers,
        size=strategy.size,
        budget=budget - fixed,
        block_rows=strategy.block_rows,
        dtype=value_dtype(graph),
        step=step,
    )
