"""What each stream into a merge knows about Y, alone and beside the others.

Put side by side, streams have the sum of their squared distances, so that whatever a set of them
knows follows from the distances of each. What a stream shares with the others is counted sample by
sample, as by R. A. A. Ince, "Measuring Multivariate Redundant Information with Pointwise Common
Change in Surprisal", Entropy 19(7), 318 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from infoflow.estimators.distances import centred_norms
from infoflow.estimators.noise import Noise, Relative
from infoflow.flow.stream_parts import StreamPart, measure_streams
from infoflow.graph import LayerGraph
from infoflow.interface import KernelNoise, Layer, Merge


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
