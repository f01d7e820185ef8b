"""What each stream into a merge knows about Y, alone and beside the others.

Put side by side, streams have the sum of their squared distances, so that whatever a set of them
knows follows from the distances of each. What a stream shares with the others is counted sample by
sample, as by R. A. A. Ince, "Measuring Multivariate Redundant Information with Pointwise Common
Change in Surprisal", Entropy 19(7), 318 (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from infoflow.estimators.classes import label_entropy
from infoflow.estimators.distances import centred_norms
from infoflow.estimators.information import (
    Information,
    about_classes,
    about_shuffled_classes,
    shared_about_classes,
)
from infoflow.estimators.jackknife import jackknife_interval
from infoflow.estimators.kernel import Sums, kernel_sums
from infoflow.estimators.noise import Noise, Relative
from infoflow.estimators.shuffles import Shuffles
from infoflow.estimators.uncertainty import null_of
from infoflow.graph import LayerGraph
from infoflow.interface import KernelNoise, Layer, Merge, is_arithmetic, is_separated

#: Shuffles of the classes for the null of what a stream adds.
STREAM_SHUFFLES = 40


@dataclass(frozen=True)
class StreamPart:
    """What one stream into a merge knows about Y, in nats.

    Parameters
    ----------
    all, rest, own
        I(Y; all streams), I(Y; all but this one), I(Y; this one).
    added
        ``all`` − ``rest``: what would be lost with the stream; unique and synergy together.
    unique, shared, synergy
        What only this stream knows, what it and the others know both, and what neither knows alone.
        Each can be below zero, where knowing misleads for some samples.
    added_null, added_null_high
        Mean and 95 % quantile of ``added`` when the classes are shuffled among the samples: what
        the stream adds by telling samples apart, whatever their classes.
    all_null_high, rest_null_high
        95 % quantiles of ``all`` and of ``rest`` for shuffled classes.
    is_saturated
        Whether the other streams are at the ceiling, for shuffled classes, too: nothing could be
        added, whatever the net has learned.
    is_separated
        Whether the other streams are at the ceiling, and not for shuffled classes: they tell the
        classes of these samples apart, and nothing is left to be added.
    """

    all: float
    rest: float
    own: float
    added: float
    unique: float
    shared: float
    synergy: float
    added_ci_low: float
    added_ci_high: float
    unique_ci_low: float
    unique_ci_high: float
    shared_ci_low: float
    shared_ci_high: float
    synergy_ci_low: float
    synergy_ci_high: float
    added_null: float
    added_null_high: float
    all_null_high: float
    rest_null_high: float
    is_saturated: bool
    is_separated: bool


#: The names of what is in nats.
QUANTITIES = tuple(field.name for field in fields(StreamPart) if field.type == "float")


@dataclass(frozen=True)
class StreamRow:
    """A stream into a merge, and its part for each noise."""

    merge: Merge
    source: str
    parts: tuple[StreamPart, ...]


class StreamMeter:
    """Collects the distances of streams as their layers are measured, and measures the merges.

    Distances are dropped when the last merge that reads them is done.

    Parameters
    ----------
    graph
        The net.
    layers
        The measured layers; merges with a stream that is none of them are left out.
    estimator
        The layers' estimator. Besides its own noise, streams are measured with relative noise.
    """

    def __init__(self, graph: LayerGraph, layers: Sequence[Layer], estimator: KernelNoise) -> None:
        names = {layer.name: layer.index for layer in layers}
        self.merges = [m for m in graph.merges if all(s in names for s in m.streams)]
        own: Noise = estimator.noise
        self.noises: tuple[Noise, ...] = (own,) if isinstance(own, Relative) else (own, Relative())
        self.rows: list[StreamRow] = []
        self._factor = estimator.exponent_factor
        self._last_read = {
            source: max(self._end(m, names) for m in self.merges if source in m.streams)
            for merge in self.merges
            for source in merge.streams
        }
        self._ends = {id(merge): self._end(merge, names) for merge in self.merges}
        self._distances: dict[str, tuple[Tensor, float]] = {}

    @staticmethod
    def _end(merge: Merge, names: dict[str, int]) -> int:
        return max(names[source] for source in merge.streams)

    def ending_at(self, layer: Layer) -> list[Merge]:
        """Return the merges whose last stream is a layer."""
        return [merge for merge in self.merges if self._ends[id(merge)] == layer.index]

    def most_kept(self, layers: Sequence[Layer]) -> int:
        """Return how many layers' distances are kept at a time, at most."""
        kept: set[str] = set()
        most = 0
        for layer in layers:
            if layer.name in self._last_read:
                kept.add(layer.name)
            most = max(most, len(kept))
            kept -= {name for name in kept if self._last_read[name] <= layer.index}
        return most

    def add(self, layer: Layer, distances: Tensor, classes: Tensor) -> None:
        """Take the (N, N) distances of a layer; measure the merges that are complete with it."""
        if layer.name not in self._last_read:
            return
        variance = float(centred_norms(distances).mean())
        # relative to the variance, so that no scale overflows float32
        relative = (distances / (variance or 1.0)).to(torch.float32)
        self._distances[layer.name] = (relative, variance)
        for merge in self.ending_at(layer):
            self.rows += self._measured(merge, classes)
        for name, last in self._last_read.items():
            if last <= layer.index:
                self._distances.pop(name, None)

    def _measured(self, merge: Merge, classes: Tensor) -> list[StreamRow]:
        by_noise = [
            measure_streams(
                [partial(self._exponents, source, noise) for source in merge.streams], classes
            )
            for noise in self.noises
        ]
        return [
            StreamRow(merge, source, tuple(parts))
            for source, *parts in zip(merge.streams, *by_noise, strict=True)
        ]

    def _exponents(self, source: str, noise: Noise) -> Tensor:
        relative, variance = self._distances[source]
        scale = noise.share if isinstance(noise, Relative) else noise / (variance or 1.0)
        return relative.to(torch.float64) / (self._factor * scale)


def measure_streams(exponents: Sequence[Callable[[], Tensor]], classes: Tensor) -> list[StreamPart]:
    """Return what each of the streams knows about Y.

    Parameters
    ----------
    exponents
        For each stream, what gives its (N, N) squared distances over twice the noise variance. They
        are made when they are needed, since those of all streams may be too many to keep.
    classes
        (N,) int64 classes, numbered from 0.
    """
    shuffles = Shuffles.of(classes, STREAM_SHUFFLES)
    everything = _about(_sum(exponents), classes, shuffles)
    if len(exponents) == 2:
        # each of two is what is left without the other
        one, other = (_about(make(), classes, shuffles) for make in exponents)
        return [part_of(one, other, everything, classes), part_of(other, one, everything, classes)]
    return [
        part_of(
            _about(make(), classes, None),
            _about(_sum([*exponents[:number], *exponents[number + 1 :]]), classes, shuffles),
            everything,
            classes,
        )
        for number, make in enumerate(exponents)
    ]


def _sum(exponents: Sequence[Callable[[], Tensor]]) -> Tensor:
    """Add up what may differ by many orders; differences of such sums would lose the small ones."""
    total = exponents[0]().to(torch.float64, copy=True)
    for make in exponents[1:]:
        total += make()
    return total


@dataclass(frozen=True)
class Known:
    """Sums of kernels, information about Y, and what it is for each shuffle of the classes."""

    sums: Sums
    information: Information
    shuffles: Tensor


def _about(exponents: Tensor, classes: Tensor, shuffles: Shuffles | None) -> Known:
    return known_from(kernel_sums([exponents.to(torch.float64)], classes, shuffles), classes)


def known_from(sums: Sums, classes: Tensor) -> Known:
    """Return what sums of kernels say about the classes."""
    return Known(sums, about_classes(sums, classes), about_shuffled_classes(sums, classes))


def part_of(one: Known, others: Known, everything: Known, classes: Tensor) -> StreamPart:
    """Return what one stream knows, by itself, beside the others, and with them."""
    own, rest = one.information, others.information
    added = everything.information - rest
    shared = shared_about_classes(one.sums, others.sums, everything.sums, classes)
    unique = own - shared
    parts = {"added": added, "unique": unique, "shared": shared, "synergy": added - unique}
    most = math.log(len(classes))
    ends = {
        name: jackknife_interval(part.value, part.replicates, -most, most)
        for name, part in parts.items()
    }
    null = null_of(everything.shuffles - others.shuffles)
    rest_null_high = null_of(others.shuffles).high
    at_ceiling = (rest.value, rest_null_high, label_entropy(classes))
    return StreamPart(
        all=everything.information.value,
        rest=rest.value,
        own=own.value,
        **{name: part.value for name, part in parts.items()},
        **{f"{name}_ci_low": end.low for name, end in ends.items()},
        **{f"{name}_ci_high": end.high for name, end in ends.items()},
        added_null=null.mean,
        added_null_high=null.high,
        all_null_high=null_of(everything.shuffles).high,
        rest_null_high=rest_null_high,
        is_saturated=is_arithmetic(*at_ceiling),
        is_separated=is_separated(*at_ceiling),
    )
