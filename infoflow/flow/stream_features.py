"""What probes of streams read, as much of it as a memory budget holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.budget import enough_bytes, format_bytes
from infoflow.capture.sketch import Sketch, half_width
from infoflow.estimators.probe_features import as_features
from infoflow.estimators.probe_task import Family, ProbeTask
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import channels_first
from infoflow.graph.running.arguments import Arguments, named_leaves
from infoflow.interface import (
    ActivationError,
    BudgetWarning,
    Layer,
    MemoryBudgetError,
    Merge,
    warn,
)

#: A fit holds its features as they were kept, standardised, put side by side, and in parts.
_COPIES = 4
#: Fewer pixels of a sample tell too little of it; samples are left out instead.
_FEWEST_PIXELS = 4
#: Columns of a sketch at least.
_FEWEST_COLUMNS = 256
#: Samples of a fold at least.
_FEWEST_SAMPLES = 2


@dataclass(frozen=True, eq=False)
class Reading:
    """What is read of the streams into merges.

    Parameters
    ----------
    question
        What probes are asked, at the places and of the samples that are read.
    family
        Family of the probes.
    samples
        (all samples,) whether each is read.
    columns
        Most features of a stream; one with more units is sketched. None for no limit.
    """

    question: ProbeTask
    family: Family
    samples: Tensor
    columns: int | None = None

    def features(self, units: int, channels: int) -> int:
        """Return the features of a stream with so many units a sample, in so many channels."""
        if self.question.places is not None:
            return channels * (9 if self.family == "conv3x3" else 1)
        if self.columns is None or units <= self.columns:
            return units
        return 2 * half_width(self.columns)

    def bytes_of(self, features: int) -> int:
        """Return the memory of features, as they are kept."""
        return 4 * self.question.classes.numel() * features


Sizes = Mapping[str, tuple[int, int]]


def sizes_of(graph: LayerGraph, call: Arguments) -> dict[str, tuple[int, int]]:
    """Return, for layers and tensor inputs, how many units and how many channels a sample has."""
    shapes = {layer.name: (layer.shape, layer.positions) for layer in graph}
    for argument, own, leaf in named_leaves(graph.source.model, call):
        if isinstance(leaf, Tensor) and leaf.ndim:
            shape = tuple(leaf.shape[1:])
            for name in {argument, own} - shapes.keys():
                shapes[name] = shape, tuple(range(1, len(shape)))
    return {
        name: (math.prod(shape), math.prod(n for at, n in enumerate(shape) if at not in positions))
        for name, (shape, positions) in shapes.items()
    }


def fitting(
    merges: Sequence[Merge], sizes: Sizes, question: ProbeTask, family: Family, budget: int
) -> Reading:
    """Return what the budget holds of every merge, with a BudgetWarning where that is not all.

    Of maps fewer pixels are read; of vectors with many units a sketch; and of both, where that is
    not enough, fewer samples.

    Raises
    ------
    MemoryBudgetError
        If the budget does not hold a few samples.
    """
    samples = torch.ones(len(question.fold), dtype=torch.bool, device="cpu")
    whole = Reading(question, family, samples)
    largest = max(merges, key=lambda merge: _needed(merge, sizes, whole))
    if _needed(largest, sizes, whole) <= budget:
        return whole
    if question.places is not None:
        reading = _fewer_pixels(whole, budget / _needed(largest, sizes, whole))
    else:
        reading = _narrower(whole, largest, sizes, budget)
    largest = max(merges, key=lambda merge: _needed(merge, sizes, reading))
    need = _needed(largest, sizes, reading)
    if need > budget:
        reading = _fewer_samples(reading, budget / need)
        need = _needed(largest, sizes, reading)
    if need > budget:
        raise MemoryBudgetError(
            f"memory_budget={format_bytes(budget)} does not hold {len(reading.question.fold)} "
            f"samples of the streams into {largest.name}, which need {enough_bytes(need)}. Raise "
            "it, choose other merges=, or take reduce='mean'."
        )
    warn(
        f"memory_budget={format_bytes(budget)} holds {_differences(whole, reading)} of the "
        f"streams into {largest.name}. Raise it for all.",
        BudgetWarning,
    )
    return reading


def _needed(merge: Merge, sizes: Sizes, reading: Reading) -> int:
    """Return the bytes of a merge's features and of their fit."""
    features = sum(reading.features(*sizes[name]) for name in merge.streams if name in sizes)
    return _COPIES * reading.bytes_of(features)


def _fewer_pixels(reading: Reading, share: float) -> Reading:
    question = reading.question
    assert question.places is not None
    width = question.classes.shape[1]
    pixels = min(width, max(_FEWEST_PIXELS, int(width * share)))
    # the places are in random order
    few = replace(
        question, classes=question.classes[:, :pixels], places=question.places[:, :pixels]
    )
    return replace(reading, question=few)


def _narrower(reading: Reading, merge: Merge, sizes: Sizes, budget: int) -> Reading:
    """Sketch the streams that are wider than the budget holds; maps cannot be sketched."""
    if reading.family == "conv3x3":
        return reading
    room = budget // (_COPIES * reading.bytes_of(1) * len(merge.streams))
    # a sketch has 8 % more columns than its size
    return replace(reading, columns=max(_FEWEST_COLUMNS, int(room / 1.09) // 2 * 2))


def _fewer_samples(reading: Reading, share: float) -> Reading:
    """Keep a random share of each fold's samples."""
    question = reading.question
    generator = torch.Generator().manual_seed(question.seed)
    order = torch.randperm(len(question.fold), generator=generator, device="cpu")
    each = max(_FEWEST_SAMPLES, int(share * len(order) / question.folds))
    folds = [order[question.fold[order] == fold][:each] for fold in range(question.folds)]
    rows = torch.cat(folds).sort().values
    samples = torch.zeros_like(reading.samples)
    samples[rows] = True
    places = None if question.places is None else question.places[rows]
    few = replace(question, classes=question.classes[rows], fold=question.fold[rows], places=places)
    return replace(reading, question=few, samples=samples)


def _differences(whole: Reading, reading: Reading) -> str:
    """Say how much of everything is read."""
    found = []
    samples, width = reading.question.classes.shape
    if width < whole.question.classes.shape[1]:
        found.append(f"{width} of {whole.question.classes.shape[1]} pixels")
    if samples < len(whole.samples):
        found.append(f"{samples:,} of {len(whole.samples):,} samples")
    if reading.columns is not None:
        found.append(f"{reading.columns:,} random sums of the units")
    return " and ".join(found)


def groups_of(
    merges: Sequence[Merge], sizes: Sizes, reading: Reading, budget: int
) -> Iterator[list[Merge]]:
    """Cut the merges into groups whose features, with one fit, the budget holds; at least one."""
    group: list[Merge] = []
    for merge in merges:
        wider = [*group, merge]
        streams = {name for each in wider for name in each.streams if name in sizes}
        kept = sum(reading.bytes_of(reading.features(*sizes[name])) for name in streams)
        fit = max(_needed(each, sizes, reading) for each in wider) * (_COPIES - 1) // _COPIES
        if group and kept + fit > budget:
            yield group
            wider = [merge]
        group = wider
    yield group


def read_streams(
    graph: LayerGraph, samples: Samples, merges: Sequence[Merge], sizes: Sizes, reading: Reading
) -> dict[str, Tensor]:
    """Return for each stream into some merges what a probe reads of it, from one pass."""
    streams = list(dict.fromkeys(name for merge in merges for name in merge.streams))
    rows = _Rows(streams, sizes, reading)
    sources = [graph[stream] for stream in streams if stream in graph.names]
    for batch in samples.batches():

        def keep_layer(layer: Layer, value: Tensor, batch: Batch = batch) -> None:
            if layer.positions:
                value = channels_first(value, layer.positions)
            rows.keep(layer.name, value.to(samples.home), batch.start)

        graph.visit(batch.call, sources, keep_layer)
        for argument, own, leaf in named_leaves(graph.source.model, batch.call):
            name = own if own in streams else argument
            if name in streams and name not in graph.names and isinstance(leaf, Tensor):
                rows.keep(name, leaf.to(samples.home), batch.start)
    return {stream: rows.all_of(stream) for stream in streams}


class _Rows:
    """The rows of streams, batch by batch."""

    def __init__(self, streams: Sequence[str], sizes: Sizes, reading: Reading) -> None:
        self._reading, self._sizes = reading, sizes
        self._parts: dict[str, list[Tensor]] = {stream: [] for stream in streams}
        self._sketches: dict[str, Sketch] = {}
        #: how many samples before each are read
        self._before = reading.samples.long().cumsum(0) - reading.samples.long()

    def keep(self, stream: str, value: Tensor, start: int) -> None:
        """Keep what is read of the values of the samples from ``start`` on."""
        if not bool(torch.isfinite(value).all()):
            raise ActivationError(
                f"Stream {stream} has NaN or infinite values. Check the weights and the inputs."
            )
        reading = self._reading
        is_read = reading.samples[start : start + len(value)]
        first = int(self._before[start])
        if not bool(is_read.all()):
            value = value[is_read.to(value.device)]
        rows = reading.question.rows(as_features(value), reading.family, first)
        if self._is_sketched(stream):
            self._sketch(stream, rows).add(first, rows)
        else:
            self._parts[stream].append(rows.clone())

    def all_of(self, stream: str) -> Tensor:
        """Return all rows of a stream; they are no longer kept here."""
        if self._is_sketched(stream):
            return self._sketches.pop(stream).values
        return torch.cat(self._parts.pop(stream))

    def _is_sketched(self, stream: str) -> bool:
        columns, is_dense = self._reading.columns, self._reading.question.places is not None
        return not is_dense and columns is not None and self._sizes[stream][0] > columns

    def _sketch(self, stream: str, rows: Tensor) -> Sketch:
        if stream not in self._sketches:
            columns: Any = self._reading.columns
            self._sketches[stream] = Sketch(
                rows.shape[1],
                len(self._reading.question.fold),
                size=columns,
                seed=list(self._sizes).index(stream),
                dtype=rows.dtype,
                device=rows.device,
            )
        return self._sketches[stream]
