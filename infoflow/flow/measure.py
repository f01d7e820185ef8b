"""One measurement: a model, a loader, and an estimate for each layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from infoflow.capture.budget import format_bytes
from infoflow.capture.labels import KnownLabels, LazyLabels, TargetLike
from infoflow.capture.reading_options import DistanceOptions, ReadingOptions
from infoflow.capture.session import Session, open_session
from infoflow.capture.sketch import Gathered
from infoflow.capture.strategy import Strategy, strategy_beside
from infoflow.estimators import KDE
from infoflow.estimators.classes import numbered
from infoflow.estimators.uncertainty import complete_estimate
from infoflow.flow.stream_information import StreamMeter
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import Reduce
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import (
    Estimate,
    Estimator,
    KernelNoise,
    Layer,
    QuickValues,
    RowBlocks,
    SaturationWarning,
    UnmeasurableWarning,
    warn,
)


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
        self.estimates.append(estimate)
        self.sketch_errors.append(_sketch_error(gathered, classes, settings, estimate))
        for point in settings.sweep:
            at_point = point.values(statistic, classes)
            self.sweep.setdefault(str(point.noise), []).append(at_point)
        if self.streams is not None and classes is not None:
            self.streams.add(gathered.layer, statistic, classes)

    def stated_errors(self, quantity: int) -> list[float]:
        """Return the errors that come from sketches: of I(X;M) for 0, of I(Y;M) for 1.

        The halves of one layer may agree by luck, so the root mean square over the sketched layers
        is the least; both are doubled.
        """
        own = [errors[quantity] for errors in self.sketch_errors]
        sketched = [error for error in own if error > 0]
        least = math.sqrt(sum(e**2 for e in sketched) / len(sketched)) if sketched else 0.0
        return [2 * max(error, least) if error > 0 else 0.0 for error in own]


def _sketch_error(
    gathered: Gathered, classes: Tensor | None, settings: Settings, whole: Estimate
) -> tuple[float, float]:
    if not gathered.halves:
        return 0.0, 0.0
    halves = [_values(settings.estimator, cast(Tensor, half), classes) for half in gathered.halves]
    return (
        max(abs(ixm - whole.ixm) for ixm, _ in halves),
        max(abs(iym - whole.iym) for _, iym in halves),
    )


def _values(estimator: Estimator, statistic: Tensor, classes: Tensor | None) -> tuple[float, float]:
    """Return I(X;M) and I(Y;M) in nats, without intervals and null where they can be left out."""
    if isinstance(estimator, QuickValues):
        return estimator.values(statistic, classes)
    estimate = estimator.estimate(statistic, classes)
    return estimate.ixm, estimate.iym


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    settings: Settings,
    earlier: KnownLabels | None = None,
) -> Measurement:
    """Trace and measure ``model``; it, the loader and the random state stay as they were.

    What an ``earlier`` measurement of the same samples found of Y is used again.
    """
    with open_session(
        model,
        loader,
        settings.reading,
        tracing=settings.tracing,
        reduce=settings.reduce,
        estimator=settings.estimator,
    ) as session:
        return _measure(session, settings, earlier)


def _measure(session: Session, settings: Settings, earlier: KnownLabels | None) -> Measurement:
    graph, samples, budget = session.graph, session.samples, session.reading.budget
    layers = session.layers(settings.layers)
    labels = LazyLabels(settings.target, graph, samples, session.example.target, earlier)
    choose = partial(_strategy, session, layers, settings)
    strategy = choose(budget)
    streams = _stream_meter(graph, layers, settings, labels)
    if streams is not None:
        kept = bytes_of_streams(streams, layers, samples.count)
        beside = strategy_beside(choose, kept, budget)
        if beside is None:
            _warn_of_streams(streams, kept, budget)
            streams = None
        else:
            strategy, budget = beside, budget - kept
    measurement = Measurement(graph, layers, strategy, streams)
    with _progress_bar(session, strategy.passes) as bar:
        for gathered in session.net.gather(
            samples, layers, settings.estimator.statistic, strategy, budget=budget, step=bar.update
        ):
            known = labels.get()
            classes = None if known is None else numbered(known.classes).to(session.samples.home)
            measurement.add(gathered, classes, settings)
    measurement.known = labels.known
    return measurement


def _strategy(
    session: Session, layers: Sequence[Layer], settings: Settings, budget: int
) -> Strategy:
    return session.net.strategy(
        layers,
        session.samples,
        settings.estimator.statistic,
        budget=budget,
        distances=settings.distances,
        takes_rows=takes_row_blocks(settings.estimator),
    )


def takes_row_blocks(estimator: Estimator) -> bool:
    """Tell whether an estimator can do with distances in blocks of rows."""
    return isinstance(estimator, RowBlocks) and estimator.takes_row_blocks


def _stream_meter(
    graph: LayerGraph, layers: Sequence[Layer], settings: Settings, labels: LazyLabels
) -> StreamMeter | None:
    """Return what measures the streams into merges; None where nothing can or should."""
    if not settings.distances.streams or not labels.is_wanted:
        return None
    if not isinstance(settings.estimator, KernelNoise):
        return None
    meter = StreamMeter(graph, layers, settings.estimator)
    return meter if meter.merges else None


def bytes_of_streams(meter: StreamMeter, layers: Sequence[Layer], samples: int) -> int:
    """Return what the distances of streams take: those that wait, and three to work with."""
    return (4 * meter.most_kept(layers) + 24) * samples**2


def _warn_of_streams(streams: StreamMeter, kept: int, budget: int) -> None:
    warn(
        f"The streams into {len(streams.merges)} merges are not measured: their distances need "
        f"{format_bytes(kept)} of the memory_budget of {format_bytes(budget)}, which has no room "
        "for them beside those of the layers. Raise it, use fewer samples, or choose fewer "
        "layers=; distances=infoflow.DistanceOptions(streams=False) says that they are not wanted.",
        UnmeasurableWarning,
    )


def _progress_bar(session: Session, passes: int) -> Any:
    """Return a bar over all batches of all passes."""
    per_pass = session.samples.batches_per_pass
    total = None if per_pass is None else per_pass * passes
    title = "measuring" if passes == 1 else f"measuring in {passes} passes"
    return session.reading.bar(total, title, "batch")


def warn_of_saturation(estimates: Sequence[Estimate]) -> bool:
    """Warn where more than half of the layers sit at their ceiling; tell whether they do."""
    has_warned = False
    for symbol, shuffles, saturated in (
        ("I(X;M)", "", sum(e.ixm_saturated for e in estimates)),
        ("I(Y;M)", ", with shuffled classes, too,", sum(e.iym_saturated for e in estimates)),
    ):
        if saturated > len(estimates) / 2:
            warn(
                f"{symbol} is above 95 % of its ceiling{shuffles} in {saturated} of "
                f"{len(estimates)} layers: the samples are too far apart for this noise or bin "
                "size, and any net would show the same there. Use more samples, or a larger noise "
                "or bin size.",
                SaturationWarning,
            )
            has_warned = True
    return has_warned
