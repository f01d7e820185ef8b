"""``infoflow.usable_streams``: what each stream into a merge has that the others have not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from infoflow.capture.labels import TargetLike, raw_classes
from infoflow.capture.reading_options import ReadingOptions
from infoflow.capture.session import open_session
from infoflow.capture.unpack import Unpack
from infoflow.estimators.probe_task import Family, ProbeTask, ask, check_family
from infoflow.estimators.usable import UsableInformation, gain
from infoflow.flow.stream_features import fitting, groups_of, read_streams, sizes_of
from infoflow.flow.usable_result import StreamBits, UsableStreams, streams_of
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import Reduce
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ActivationError, ArgumentError, Merge, UnmeasurableWarning, warn


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
    of cross-fitted probes, 3 where there are two streams, which are fitted together. One pass over
    the loader reads as many merges as the memory budget holds.

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
        For features and fits, in bytes or as ``"2GB"``: 16 bytes × samples × units of all streams
        of a merge, or, where Y is a map, × pixels × channels, and × 9 for the convolution. What is
        larger is cut, with a warning: fewer pixels of each sample are read, at least 4, or, where Y
        is a label, random signed sums of the units, at least 256 a stream, and then fewer samples.
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
        If the budget does not hold the streams into a merge for a few samples.

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
        sizes = sizes_of(graph, example.call)
        read = fitting(chosen, sizes, question, known, reading.budget)
        rows: list[StreamBits] = []
        with reading.bar(len(chosen), "fitting probes", "merge") as bar:
            for group in groups_of(chosen, sizes, read, reading.budget):
                features = read_streams(graph, samples, group, sizes, read)
                for merge in group:
                    rows += _bits(merge, features, read.question, known)
                    bar.update()
    return streams_of(rows, graph.model)


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


def _chosen(graph: LayerGraph, names: Any) -> list[Merge]:
    if not graph.merges:
        raise ArgumentError(
            f"{graph.model} has no merges, so no streams to compare. Measure its layers with "
            "infoflow.analyze, or one of them with infoflow.usable_information."
        )
    if names is None:
        return list(graph.merges)
    is_single = isinstance(names, str) or not isinstance(names, Iterable)
    names = [names] if is_single else list(names)
    known = {merge.name: merge for merge in graph.merges}
    unknown = [name for name in names if not isinstance(name, str) or name not in known]
    if unknown or not names:
        raise ArgumentError(
            f"merges must be names of merges, such as {', '.join(list(known)[:4])}; got {unknown}."
        )
    return [known[name] for name in names]


def _bits(
    merge: Merge, features: Mapping[str, Tensor], question: ProbeTask, family: Family
) -> list[StreamBits]:
    """Return what probes of the streams into a merge gain; all sets are fitted together."""
    every = tuple(range(len(merge.streams)))
    rest = [tuple(other for other in every if other != stream) for stream in every]
    # in this order the readers of each of two streams are side by side, and take one product
    sets = sorted({(), every, *((stream,) for stream in every), *rest})
    streams = [features[stream] for stream in merge.streams]
    losses = dict(zip(sets, question.losses(streams, sets, family), strict=True))

    def gained(without: tuple[int, ...], with_them: tuple[int, ...]) -> UsableInformation:
        return gain(question, losses[()], losses[without], losses[with_them], family)

    return [
        StreamBits(
            merge=merge.name,
            source=source,
            is_main=source == merge.main,
            alone=gained((), (stream,)),
            rest=gained((), rest[stream]),
            joint=gained((), every),
            added=gained(rest[stream], every),
        )
        for stream, source in enumerate(merge.streams)
    ]
