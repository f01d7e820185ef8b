"""``infoflow.usable_streams``: what each stream into a merge has that the others have not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.budget import enough_bytes, format_bytes
from infoflow.capture.labels import TargetLike, raw_classes
from infoflow.capture.reading_options import ReadingOptions
from infoflow.capture.session import open_session
from infoflow.capture.unpack import Unpack
from infoflow.estimators.probe_features import as_features
from infoflow.estimators.probe_task import Family, ProbeTask, ask, check_family
from infoflow.estimators.usable import UsableInformation, gain
from infoflow.flow.usable_result import StreamBits, UsableStreams, streams_of
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import Reduce, channels_first
from infoflow.graph.running.arguments import Arguments, named_leaves
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    Layer,
    MemoryBudgetError,
    Merge,
    UnmeasurableWarning,
    warn,
)

#: A fit holds its features as they were kept, put side by side, and in parts.
_COPIES = 4


def usable_streams(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    target: TargetLike = "auto",
    family: Family | None = None,
    merges: Sequence[str] | None = None,
    folds: int = 5,
    pixels: int = 64,
    reduce: Reduce = "flatten",
    tracing: TracingOptions | None = None,
    unpack: Unpack | None = None,
    seed: int = 0,
    device: str | None = None,
    memory_budget: int | float | str = "2GB",
    progress: bool | None = None,
) -> UsableStreams:
    """Measure, at every merge, what each stream lets small probes know about Y.

    A stream's value is that of the layer that it comes from. A merge of k streams takes 2k + 1 sets
    of cross-fitted probes, 3 where there are two streams, and one pass over the loader.

    Parameters
    ----------
    model, loader
        A net, and batches with targets; both are left as they were.
    target
        Y. ``"auto"`` takes what the loader gives: classes, or maps of classes such as masks. Or
        anything that :func:`infoflow.analyze` takes that makes classes, such as
        ``infoflow.KMeans()``, or an array with a class for each sample.
    family
        Family of probes, as for :func:`infoflow.usable_information`; None takes ``"conv3x3"`` for
        dense targets and ``"linear"`` for classes.
    merges
        Names of the merges to measure; all where None.
    folds, pixels, seed
        As for :func:`infoflow.usable_information`.
    memory_budget
        For the features of one merge and the fit of a probe, in bytes or as ``"2GB"``: 16 bytes ×
        samples × units of all streams, or, where Y is a map, × pixels × channels, and × 9 for the
        convolution.
    reduce, tracing, unpack, device, progress
        As for :func:`infoflow.analyze`.

    Returns
    -------
    UsableStreams
        ``print`` shows a table; ``.dataset`` has arrays by stream.

    Raises
    ------
    ArgumentError
        If the net has no merges, there is none of a name, or the streams do not suit the family.
    TargetError
        If there is no target, or one that holds no classes.
    MemoryBudgetError
        If the budget does not hold a merge.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(16, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=8)
    >>> found = usable_streams(
    ...     UNet(base_channels=2), loader, family="linear", merges=["decoder.3.0"], progress=False
    ... )
    >>> [(row.source, row.is_main) for row in found.rows]
    [('encoder.0.2', False), ('upsample.3', True)]
    """
    if family is not None:
        check_family(family)
    reading = ReadingOptions(unpack, seed, device, memory_budget, progress)
    seed = reading.seed
    with open_session(
        model, loader, reading, tracing=tracing, reduce=reduce, caller="usable_streams"
    ) as session:
        graph, samples, example = session.graph, session.samples, session.example
        chosen = _with_rows(graph, _chosen(graph, merges))
        classes = raw_classes(target, graph, samples, example, caller="usable_streams")
        question = ask(
            classes.values,
            folds=folds,
            pixels=pixels,
            seed=seed,
            ignore_index=classes.ignore_index,
        )
        known = family or ("linear" if question.places is None else "conv3x3")
        sizes = _sizes(graph, example.call)
        for merge in chosen:
            _check_room(merge, sizes, question, known, reading.budget)
        rows: list[StreamBits] = []
        with reading.bar(sum(_fits(merge) for merge in chosen), "fitting probes", "fit") as bar:
            for merge in chosen:
                features = _features(graph, samples, merge, question, known)
                rows += _Bits(features, question, known, bar).of(merge)
    return streams_of(rows, graph.model)


def _sizes(graph: LayerGraph, call: Arguments) -> dict[str, tuple[int, int]]:
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


def _check_room(
    merge: Merge,
    sizes: Mapping[str, tuple[int, int]],
    question: ProbeTask,
    family: Family,
    budget: int,
) -> None:
    """Raise a MemoryBudgetError where the budget does not hold what probes read at a merge."""
    units, channels = (sum(sizes[s][kind] for s in merge.streams if s in sizes) for kind in (0, 1))
    is_dense = question.places is not None
    features = channels * (9 if family == "conv3x3" else 1) if is_dense else units
    rows = question.classes.numel()
    need = 4 * _COPIES * rows * features
    if need > budget:
        fewer = "fewer pixels=" if is_dense else "fewer samples, or reduce='mean'"
        raise MemoryBudgetError(
            f"memory_budget={format_bytes(budget)} does not hold the streams into {merge.name}: "
            f"{rows:,} rows of {features:,} features need {enough_bytes(need)}. Raise it, choose "
            f"other merges=, or take {fewer}."
        )


def _fits(merge: Merge) -> int:
    streams = len(merge.streams)
    return 3 if streams == 2 else 2 * streams + 1


def _with_rows(graph: LayerGraph, merges: Sequence[Merge]) -> list[Merge]:
    """Return the merges all of whose streams have a row per sample."""
    kept = [merge for merge in merges if not set(merge.streams) & set(graph.unmeasurable)]
    if len(kept) == len(merges):
        return kept
    left_out = next(merge for merge in merges if merge not in kept)
    stream = next(name for name in left_out.streams if name in graph.unmeasurable)
    message = (
        f"{len(merges) - len(kept)} of {len(merges)} merges have a stream without a row per "
        f"sample, such as {stream} into {left_out.name}: {graph.unmeasurable[stream]}."
    )
    if not kept:
        raise ActivationError(f"{message} Nothing is left to measure; choose other merges=.")
    warn(f"{message} They are left out.", UnmeasurableWarning)
    return kept


def _chosen(graph: LayerGraph, names: Sequence[str] | None) -> list[Merge]:
    if not graph.merges:
        raise ArgumentError(
            f"{graph.model} has no merges, so no streams to compare. Measure its layers with "
            "infoflow.analyze, or one of them with infoflow.usable_information."
        )
    if names is None:
        return list(graph.merges)
    names = [names] if isinstance(names, str) else names
    known = {merge.name: merge for merge in graph.merges}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ArgumentError(
            f"merges must be names of merges, such as {', '.join(list(known)[:4])}; got {unknown}."
        )
    return [known[name] for name in names]


def _features(
    graph: LayerGraph, samples: Samples, merge: Merge, question: ProbeTask, family: Family
) -> dict[str, Tensor]:
    """Return for each stream what a probe reads of it, over all samples."""
    parts: dict[str, list[Tensor]] = {stream: [] for stream in merge.streams}
    sources = [graph[stream] for stream in merge.streams if stream in graph.names]
    for batch in samples.batches():

        def keep(name: str, value: Tensor, batch: Batch = batch) -> None:
            if not bool(torch.isfinite(value).all()):
                raise ActivationError(
                    f"Stream {name} of merge {merge.name} has NaN or infinite values. Check the "
                    "weights and the inputs."
                )
            features = as_features(value).to(samples.home)
            rows = question.rows(features, family, batch.start)
            parts[name].append(rows.clone())

        def keep_layer(layer: Layer, value: Tensor, keep: Any = keep) -> None:
            keep(layer.name, channels_first(value, layer.positions) if layer.positions else value)

        graph.visit(batch.call, sources, keep_layer)
        for argument, own, leaf in named_leaves(graph.source.model, batch.call):
            name = own if own in parts else argument
            if name in parts and name not in graph.names and isinstance(leaf, Tensor):
                keep(name, leaf)
    return {stream: torch.cat(found) for stream, found in parts.items()}


class _Bits:
    """The losses of sets of streams, each fitted once."""

    def __init__(
        self, features: dict[str, Tensor], question: ProbeTask, family: Family, bar: Any
    ) -> None:
        self._features = features
        self._question = question
        self._family: Family = family
        self._bar = bar
        self._known: dict[tuple[str, ...], Tensor] = {}

    def of(self, merge: Merge) -> list[StreamBits]:
        joint = self._losses(merge.streams)
        rows = []
        for stream in merge.streams:
            rest = self._losses(tuple(other for other in merge.streams if other != stream))
            rows.append(
                StreamBits(
                    merge=merge.name,
                    source=stream,
                    is_main=stream == merge.main,
                    alone=self._gain(self._losses(()), self._losses((stream,))),
                    rest=self._gain(self._losses(()), rest),
                    joint=self._gain(self._losses(()), joint),
                    added=self._gain(rest, joint),
                )
            )
        return rows

    def _losses(self, streams: tuple[str, ...]) -> Tensor:
        if streams not in self._known:
            rows = [self._features[stream] for stream in streams]
            self._known[streams] = self._question.losses(rows, self._family)
            if streams:
                self._bar.update()
        return self._known[streams]

    def _gain(self, without: Tensor, with_them: Tensor) -> UsableInformation:
        return gain(self._question, without, with_them, self._family)
