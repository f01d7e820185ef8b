"""One measurement: a model, a loader, and an estimate for each layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from infoflow.capture.budget import format_bytes
from infoflow.capture.labels import KnownLabels, LazyLabels
from infoflow.capture.probe_set import target_of
from infoflow.capture.session import Session, open_session
from infoflow.capture.strategy import Strategy, strategy_beside
from infoflow.estimators.classes import numbered
from infoflow.estimators.kde import takes_anchors
from infoflow.estimators.noise import Relative
from infoflow.flow.anchored import measure_by_anchors
from infoflow.flow.measurement import Measurement, Settings
from infoflow.flow.stream_information import StreamMeter
from infoflow.graph import LayerGraph
from infoflow.graph.running.ranks import ALONE, Ranks
from infoflow.interface import (
    Estimate,
    Estimator,
    KernelNoise,
    Layer,
    RowBlocks,
    SaturationWarning,
    UnmeasurableWarning,
    warn,
)


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    settings: Settings,
    earlier: KnownLabels | None = None,
    ranks: Ranks = ALONE,
) -> Measurement:
    """Trace and measure ``model``; it, the loader and the random state stay as they were.

    What an ``earlier`` measurement of the same samples found of Y is used again. Several ``ranks``
    measure a share of the samples each, and find the same.
    """
    settings = replace(settings, target=target_of(loader, settings.target))
    with open_session(
        model,
        loader,
        settings.reading,
        tracing=settings.tracing,
        reduce=settings.reduce,
        estimator=settings.estimator,
        ranks=ranks,
    ) as session:
        return _measure(session, settings, earlier)


def _measure(session: Session, settings: Settings, earlier: KnownLabels | None) -> Measurement:
    graph, samples, budget = session.graph, session.samples, session.reading.budget
    layers = session.layers(settings.layers)
    labels = LazyLabels(settings.target, graph, samples, session.example.target, earlier)
    choose = partial(_strategy, session, layers, settings)
    strategy = choose(budget)
    _agree(session, settings, layers, strategy)
    streams = _stream_meter(graph, layers, settings, labels)
    if strategy.anchors is not None:
        return measure_by_anchors(session, settings, labels, layers, strategy, streams)
    if streams is not None:
        kept = bytes_of_streams(streams, layers, samples.count)
        beside = strategy_beside(choose, kept, budget)
        if beside is None:
            _warn_of_streams(streams, kept, budget)
            streams = None
        else:
            strategy, budget = beside, budget - kept
    measurement = Measurement(graph, layers, strategy, streams)
    with session.bar(strategy.passes) as bar:
        for gathered in session.net.gather(
            samples, layers, settings.estimator.statistic, strategy, budget=budget, step=bar.update
        ):
            known = labels.get()
            classes = None if known is None else numbered(known.classes).to(session.samples.home)
            measurement.add(gathered, classes, settings)
    measurement.known = labels.known
    return measurement


def _agree(
    session: Session, settings: Settings, layers: Sequence[Layer], strategy: Strategy
) -> None:
    """Raise an InfoflowError where other processes would measure something else."""
    noises = [getattr(one, "noise", None) for one in (settings.estimator, *settings.sweep)]
    session.samples.ranks.agree(
        {
            "numbers of samples": session.samples.count,
            "layers": [(layer.name, layer.units) for layer in layers],
            "estimators": (settings.estimator.name, [str(one) for one in noises]),
            "captures": (str(strategy), settings.distances, settings.reading.budget),
            "seeds": settings.reading.seed,
        }
    )


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
        takes_anchors=takes_anchors(settings.estimator),
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


def warn_of_saturation(estimates: Sequence[Estimate], estimator: Estimator) -> bool:
    """Warn where more than half of the layers sit at their ceiling; tell whether they do."""
    has_warned = False
    for symbol, shuffles, saturated in (
        ("I(X;M)", "", sum(e.ixm_saturated for e in estimates)),
        ("I(Y;M)", ", with shuffled classes, too,", sum(e.iym_saturated for e in estimates)),
    ):
        if saturated > len(estimates) / 2:
            warn(
                f"{symbol} is above 95 % of its ceiling{shuffles} in {saturated} of "
                f"{len(estimates)} layers: the samples are too far apart for this measurement, and "
                f"any net would show the same there. {_remedy(estimator)}",
                SaturationWarning,
            )
            has_warned = True
    return has_warned


def _remedy(estimator: Estimator) -> str:
    """Say what would bring the numbers below their ceiling."""
    if not isinstance(estimator, KernelNoise):
        return (
            "Use more samples, coarser settings of the estimator, or the KDE with "
            "noise='relative', which follows each layer's scale."
        )
    noise = estimator.noise
    if isinstance(noise, Relative):
        return (
            "Use more samples, more noise such as "
            f"noise=infoflow.Relative({3 * noise.share:.2g}), or infoflow.usable_information, "
            "which does not saturate."
        )
    return "Use noise='relative', which follows each layer's scale, or more samples."
