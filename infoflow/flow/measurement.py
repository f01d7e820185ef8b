"""What a measurement is made with, and what it found, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor

from infoflow.capture.labels import KnownLabels, TargetLike
from infoflow.capture.reading_options import DistanceOptions, ReadingOptions
from infoflow.capture.sketch import Gathered
from infoflow.capture.strategy import Strategy
from infoflow.estimators import KDE
from infoflow.estimators.uncertainty import complete_estimate, values_of
from infoflow.flow.stream_information import StreamMeter
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import Reduce
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import Estimate, Estimator, Layer


@dataclass(frozen=True)
class Settings:
    """What a measurement is made with; the same for every epoch of a Tracker."""

    target: TargetLike
    estimator: Estimator
    sweep: tuple[KDE, ...]
    layers: LayerChoice
    tracing: TracingOptions
    reduce: Reduce
    distances: DistanceOptions
    reading: ReadingOptions


@dataclass
class Measurement:
    """The graph, the reduced Y, and what was measured, in nats, layer by layer.

    Parameters
    ----------
    graph, layers
        The net, and its measured layers.
    strategy
        How the layers' statistics were collected.
    streams
        What the streams into merges know of Y, or None where it was not asked for.
    known
        Y.
    estimates, sweep
        An estimate for each layer; and for each noise of a sweep, I(X;M) and I(Y;M) of each layer.
    sketch_errors
        For each layer, the larger deviation of the sketch's two halves from the whole, in I(X;M)
        and in I(Y;M). Zero where distances are exact.
    """

    graph: LayerGraph
    layers: tuple[Layer, ...]
    strategy: Strategy
    streams: StreamMeter | None
    known: KnownLabels | None = None
    estimates: list[Estimate] = field(default_factory=list)
    sweep: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    sketch_errors: list[tuple[float, float]] = field(default_factory=list)

    def add(self, gathered: Gathered, classes: Tensor | None, settings: Settings) -> None:
        """Estimate the next layer from its statistic."""
        statistic = cast(Tensor, gathered.statistic)
        estimate = complete_estimate(settings.estimator, statistic, classes)
        halves = [
            values_of(settings.estimator, cast(Tensor, half), classes) for half in gathered.halves
        ]
        points = {str(point.noise): point.values(statistic, classes) for point in settings.sweep}
        self.put(estimate, halves, points)
        if self.streams is not None and classes is not None:
            self.streams.add(gathered.layer, statistic, classes)

    def put(
        self,
        estimate: Estimate,
        halves: Sequence[tuple[float, float]],
        sweep: Mapping[str, tuple[float, float]],
    ) -> None:
        """Put in the next layer's estimate, and values of its sketch's halves and of a sweep."""
        self.estimates.append(estimate)
        self.sketch_errors.append(
            (
                max((abs(ixm - estimate.ixm) for ixm, _ in halves), default=0.0),
                max((abs(iym - estimate.iym) for _, iym in halves), default=0.0),
            )
        )
        for noise, values in sweep.items():
            self.sweep.setdefault(noise, []).append(values)

    def stated_errors(self, quantity: int) -> list[float]:
        """Return the errors that come from sketches: of I(X;M) for 0, of I(Y;M) for 1.

        The halves of one layer may agree by luck, so the root mean square over the sketched layers
        is the least; both are doubled. Of products in float32 each layer has its own; I(Y;M) is a
        difference of two numbers, each of which may be off like I(X;M).
        """
        if self.strategy.precision == "float32":
            return [2 * sum(errors[: quantity + 1]) for errors in self.sketch_errors]
        own = [errors[quantity] for errors in self.sketch_errors]
        sketched = [error for error in own if error > 0]
        least = math.sqrt(sum(e**2 for e in sketched) / len(sketched)) if sketched else 0.0
        return [2 * max(error, least) if error > 0 else 0.0 for error in own]
