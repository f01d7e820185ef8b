"""A measurement by anchors: time and memory grow with the number of samples, not its square."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor

from infoflow.capture.anchor_plan import (
    USUAL_CELLS,
    AnchorItem,
    AnchorPart,
    plan_anchors,
)
from infoflow.capture.anchors import anchor_blocks
from infoflow.capture.collect import value_dtype
from infoflow.capture.labels import LazyLabels
from infoflow.capture.layer_anchors import AnchorBlock
from infoflow.capture.session import Session
from infoflow.capture.strategy import Strategy
from infoflow.estimators import KDE
from infoflow.estimators.anchored_kde import AnchoredKDE, AnchoredValues
from infoflow.estimators.classes import numbered
from infoflow.estimators.noise import Noise, Relative
from infoflow.estimators.rows import Rows, choose_rows
from infoflow.estimators.shuffles import Shuffles
from infoflow.flow.anchored_streams import AnchoredMerge, stream_sets
from infoflow.flow.measurement import Measurement, Settings
from infoflow.flow.stream_information import StreamMeter
from infoflow.flow.stream_parts import STREAM_SHUFFLES
from infoflow.interface import Layer, MemoryBudgetError, Merge, UnmeasurableWarning, warn


@dataclass(frozen=True)
class _Asked:
    """What is asked of the anchors, for all layers and merges."""

    settings: Settings
    rows: Rows
    labels: Tensor | None
    shuffles: Shuffles | None
    stream_shuffles: Shuffles | None
    streams: StreamMeter | None

    @property
    def kde(self) -> KDE:
        """The estimator."""
        return cast(KDE, self.settings.estimator)

    @property
    def with_variance(self) -> bool:
        """Whether some noise is relative to the variance of the layers."""
        noises: list[Noise] = [self.kde.noise, *(point.noise for point in self.settings.sweep)]
        return self.streams is not None or any(isinstance(noise, Relative) for noise in noises)


def measure_by_anchors(
    session: Session,
    settings: Settings,
    labels: LazyLabels,
    layers: Sequence[Layer],
    strategy: Strategy,
    streams: StreamMeter | None,
) -> Measurement:
    """Measure layers, and streams where they are wanted and the memory budget has room for them."""
    if labels.is_wanted:
        session.samples.read_once()  # the anchors are chosen by class, before the first pass
    known = labels.get()
    samples, home = session.samples, session.samples.home
    classes = None if known is None else numbered(known.classes).to(home)
    strata = torch.zeros(samples.count, dtype=torch.int64, device=home)
    count = cast(int, strategy.anchors)
    rows = choose_rows(strata if classes is None else classes, count, seed=session.reading.seed)
    if classes is None:
        shuffles, streams = None, None
    else:
        shuffles = Shuffles.of(classes, cast(KDE, settings.estimator).permutations)
    parts, with_streams = anchor_parts(
        layers,
        streams,
        strategy,
        session.reading.budget,
        value_dtype(session.graph).itemsize,
        cells=USUAL_CELLS if shuffles is None else shuffles.cells,
    )
    if streams is not None and streams.merges and not with_streams:
        _warn_of_streams(streams)
    streams = streams if with_streams else None
    stream_shuffles = (
        None if streams is None or classes is None else Shuffles.of(classes, STREAM_SHUFFLES)
    )
    asked = _Asked(settings, rows, classes, shuffles, stream_shuffles, streams)
    strategy = replace(strategy, passes=2 * len(parts))
    measurement = Measurement(session.graph, tuple(layers), strategy, streams)
    with session.bar(strategy.passes) as bar:
        for part in parts:
            _measure_part(session, part, asked, measurement, bar.update)
    measurement.known = labels.known
    return measurement


def anchor_parts(
    layers: Sequence[Layer],
    streams: StreamMeter | None,
    strategy: Strategy,
    budget: int,
    itemsize: int,
    *,
    cells: int = USUAL_CELLS,
) -> tuple[list[AnchorPart], bool]:
    """Return the pairs of passes, and whether there is room for the streams in any of them."""
    plan = partial(
        plan_anchors,
        anchors=cast(int, strategy.anchors),
        size=strategy.size,
        budget=budget,
        bytes_per_value=itemsize,
        cells=cells,
    )
    if streams is not None and streams.merges:
        try:
            return plan(_items(layers, streams)), True
        except MemoryBudgetError:
            pass
    return plan(_items(layers, None)), False


def _items(layers: Sequence[Layer], streams: StreamMeter | None) -> list[AnchorItem]:
    """Return what is measured, in order: every layer, and each merge after its last stream."""
    by_name = {layer.name: layer for layer in layers}
    items = []
    for layer in layers:
        items.append(AnchorItem((layer,), subject=layer))
        for merge in () if streams is None else streams.ending_at(layer):
            sources = tuple(by_name[source] for source in merge.streams)
            sums = len(stream_sets(merge)) * len(streams.noises) if streams else 0
            items.append(AnchorItem(sources, sums, merge))
    return items


class _LayerMeter:
    """What is estimated of one layer from the blocks of its distances."""

    def __init__(self, asked: _Asked, first: AnchorBlock) -> None:
        kde, rows, labels, variance = asked.kde, asked.rows, asked.labels, first.variance
        self._main = AnchoredKDE(kde, rows, labels, asked.shuffles, variance=variance)
        self._halves = [AnchoredValues(kde, rows, labels, variance=variance) for _ in first.halves]
        self._sweep = {
            str(point.noise): AnchoredValues(point, rows, labels, variance=variance)
            for point in asked.settings.sweep
        }

    def add(self, block: AnchorBlock) -> None:
        """Add a block of samples."""
        self._main.add(block.distances, block.samples, block.norms)
        for half, distances in zip(self._halves, block.halves, strict=True):
            half.add(distances, block.samples)
        for point in self._sweep.values():
            point.add(block.distances, block.samples)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        others = [one for part in (*self._halves, *self._sweep.values()) for one in part.sums()]
        return [*self._main.sums(), *others]

    def put_into(self, measurement: Measurement) -> None:
        """Put the layer's numbers into the measurement."""
        measurement.put(
            self._main.estimate(),
            [half.values() for half in self._halves],
            {noise: point.values() for noise, point in self._sweep.items()},
        )


def _measure_part(
    session: Session,
    part: AnchorPart,
    asked: _Asked,
    measurement: Measurement,
    step: Callable[[], object],
) -> None:
    """Measure what belongs to one pair of passes."""
    wanted = [item.subject.name for item in part.items if isinstance(item.subject, Layer)]
    meters: dict[str, _LayerMeter] = {}
    merges = [
        _merge_meter(item.subject, asked) for item in part.items if isinstance(item.subject, Merge)
    ]
    blocks: dict[str, AnchorBlock] = {}
    for block in anchor_blocks(
        session.graph,
        session.samples,
        part.layers,
        asked.rows,
        size=asked.settings.distances.sketch_size,
        dtype=value_dtype(session.graph),
        with_variance=asked.with_variance,
        step=step,
    ):
        name = block.layer.name
        if name in wanted:
            if name not in meters:
                meters[name] = _LayerMeter(asked, block)
            meters[name].add(block)
        if merges:
            blocks[name] = block
            if block.layer is part.layers[-1]:
                for merge in merges:
                    merge.add(blocks)
    sums = [one for meter in meters.values() for one in meter.sums()]
    session.samples.add_up("kernels", sums + [one for merge in merges for one in merge.sums()])
    for name in wanted:
        meters.pop(name).put_into(measurement)
    for merge in merges:
        cast(StreamMeter, asked.streams).rows.extend(merge.rows())


def _merge_meter(merge: Merge, asked: _Asked) -> AnchoredMerge:
    streams = cast(StreamMeter, asked.streams)
    return AnchoredMerge(
        merge,
        streams.noises,
        asked.kde.exponent_factor,
        asked.rows,
        cast(Tensor, asked.labels),
        cast(Shuffles, asked.stream_shuffles),
    )


def _warn_of_streams(streams: StreamMeter) -> None:
    warn(
        f"The streams into {len(streams.merges)} merges are not measured: the memory_budget has no "
        "room for the anchors' sums of the largest merge. Raise it, use fewer anchors, or choose "
        "fewer layers=; distances=infoflow.DistanceOptions(streams=False) says that they are not "
        "wanted.",
        UnmeasurableWarning,
    )
