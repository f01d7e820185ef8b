"""One measurement: a model, a loader, and an estimate for each layer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from torch import Tensor, nn
from tqdm import tqdm

from infoflow.capture.batches import Samples
from infoflow.capture.budget import format_bytes, parse_bytes
from infoflow.capture.collect import Step
from infoflow.capture.labels import KnownLabels, LazyLabels, TargetLike
from infoflow.capture.sketch import Gathered
from infoflow.capture.strategy import CaptureMode, Strategy, strategy_beside
from infoflow.capture.traced_model import TracedModel, argument_model, check_noise
from infoflow.capture.unpack import Unpack
from infoflow.estimators import KDE
from infoflow.estimators.classes import numbered
from infoflow.estimators.uncertainty import complete_estimate
from infoflow.flow.stream_information import StreamMeter
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.leaves import Choice
from infoflow.graph.running.model_state import check_model
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.graph.selection import named_layers
from infoflow.interface import (
    ActivationError,
    Estimate,
    Estimator,
    Layer,
    SaturationWarning,
    UnmeasurableWarning,
)

Layers = str | int | Sequence[str | int]


@dataclass(frozen=True)
class Settings:
    """What a measurement is made with; the same for every epoch of a Tracker."""

    target: TargetLike
    estimator: Estimator
    sweep: tuple[KDE, ...]
    layers: Layers
    streams: bool
    mode: CaptureMode
    sketch_size: int
    device: str | None
    memory_budget: int | float | str
    unpack: Unpack | None
    seed: int
    progress: bool | None
    leaves: Sequence[Choice]
    opened: Sequence[Choice]
    reduce: Reduce


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
            self.sweep.setdefault(str(point.noise_variance), []).append(at_point)
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
    if isinstance(estimator, KDE):
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
    check_model(model)
    check_noise(model, settings.estimator)
    budget = parse_bytes(settings.memory_budget)
    with undisturbed(model, loader, settings.device) as device:
        samples = Samples(
            loader,
            unpack=settings.unpack,
            model=argument_model(model),
            device=device,
            seed=settings.seed,
        )
        example = samples.example()
        net = TracedModel(
            model,
            example.call,
            leaves=settings.leaves,
            opened=settings.opened,
            reduce=settings.reduce,
        )
        graph, statistic = net.graph, settings.estimator.statistic
        layers = net.with_noise(measurable(graph, settings.layers), settings.layers)
        labels = LazyLabels(settings.target, graph, samples, example.target, earlier)
        choose = partial(_strategy, net, layers, samples, settings)
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
        with _progress_bar(samples, strategy.passes, settings.progress) as step:
            for gathered in net.gather(
                samples, layers, statistic, strategy, budget=budget, step=step
            ):
                known = labels.get()
                classes = None if known is None else numbered(known.classes).to(device)
                measurement.add(gathered, classes, settings)
    measurement.known = labels.known
    return measurement


def _strategy(
    net: TracedModel, layers: Sequence[Layer], samples: Samples, settings: Settings, budget: int
) -> Strategy:
    return net.strategy(
        layers,
        samples,
        settings.estimator.statistic,
        budget=budget,
        mode=settings.mode,
        size=settings.sketch_size,
        takes_rows=isinstance(settings.estimator, KDE),
    )


def _stream_meter(
    graph: LayerGraph, layers: Sequence[Layer], settings: Settings, labels: LazyLabels
) -> StreamMeter | None:
    """Return what measures the streams into merges; None where nothing can or should."""
    if not settings.streams or not isinstance(settings.estimator, KDE) or not labels.is_wanted:
        return None
    meter = StreamMeter(graph, layers, settings.estimator)
    return meter if meter.merges else None


def bytes_of_streams(meter: StreamMeter, layers: Sequence[Layer], samples: int) -> int:
    """Return what the distances of streams take: those that wait, and three to work with."""
    return (4 * meter.most_kept(layers) + 24) * samples**2


def _warn_of_streams(streams: StreamMeter, kept: int, budget: int) -> None:
    warnings.warn(
        f"The streams into {len(streams.merges)} merges are not measured: their distances need "
        f"{format_bytes(kept)} of the memory_budget of {format_bytes(budget)}, which has no room "
        "for them beside those of the layers. Raise it, use fewer samples, or choose fewer "
        "layers=; streams=False says that they are not wanted.",
        UnmeasurableWarning,
        stacklevel=4,
    )


def measurable(graph: LayerGraph, layers: Layers) -> tuple[Layer, ...]:
    """Return the chosen layers, without those that have no row per sample and are not named."""
    chosen = graph.select(layers)
    named = named_layers(graph, layers)
    kept = tuple(
        layer for layer in chosen if layer.name in named or layer.name not in graph.unmeasurable
    )
    left_out = [layer.name for layer in chosen if layer not in kept]
    if left_out:
        reason = graph.unmeasurable[left_out[0]]
        message = (
            f"{len(left_out)} of {len(chosen)} layers have no row per sample, such as "
            f"{left_out[0]}: {reason}."
        )
        if not kept:
            raise ActivationError(f"{message} Nothing is left to measure; choose other layers=.")
        warnings.warn(f"{message} They are left out.", UnmeasurableWarning, stacklevel=4)
    return kept


@contextmanager
def _progress_bar(samples: Samples, passes: int, progress: bool | None) -> Iterator[Step]:
    """Show a bar over all batches of all passes; None shows it on a terminal only."""
    per_pass = samples.batches_per_pass
    total = None if per_pass is None else per_pass * passes
    title = "measuring" if passes == 1 else f"measuring in {passes} passes"
    disable = None if progress is None else not progress
    with tqdm(total=total, desc=title, unit="batch", disable=disable, leave=False) as bar:
        yield bar.update


def warn_of_saturation(estimates: Sequence[Estimate], stacklevel: int = 3) -> bool:
    """Warn where more than half of the layers sit at their ceiling; tell whether they do."""
    has_warned = False
    for symbol, saturated in (
        ("I(X;M)", sum(e.ixm_saturated for e in estimates)),
        ("I(Y;M)", sum(e.iym_saturated for e in estimates)),
    ):
        if saturated > len(estimates) / 2:
            warnings.warn(
                f"{symbol} is above 95 % of its ceiling in {saturated} of {len(estimates)} layers: "
                "the samples are too far apart for this noise or bin size, and any net would show "
                "the same there. Use more samples, or a larger noise_variance or bin_size.",
                SaturationWarning,
                stacklevel=stacklevel,
            )
            has_warned = True
    return has_warned
