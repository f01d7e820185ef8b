"""Usable information of the streams at every merge: what each has that the others have not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from tqdm import tqdm

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.labels import TargetLike, raw_classes
from infoflow.capture.nets import check_plain
from infoflow.capture.undisturbed import undisturbed
from infoflow.capture.unpack import Unpack
from infoflow.estimators.question import Family, Question, as_features, ask, check_family
from infoflow.estimators.usable import UsableInformation, gain
from infoflow.graph import LayerGraph, trace
from infoflow.graph.reduce import Reduce, channels_first
from infoflow.graph.table import align
from infoflow.graph.tracing.call import named_leaves
from infoflow.graph.tracing.leaves import Choice
from infoflow.interface import ActivationError, ArgumentError, Layer, Merge, UnmeasurableWarning


@dataclass(frozen=True)
class StreamBits:
    """Usable information at a merge, for one of its streams.

    Parameters
    ----------
    merge, stream
        Names of the merge and of the layer (or model input) that the stream comes from.
    is_main
        Whether it is the merge's main stream; every other one is a skip connection.
    alone
        Of this stream alone.
    rest
        Of all other streams together.
    joint
        Of all streams together.
    added
        joint less rest: what this stream adds to the others, with an interval from the paired
        losses.
    """

    merge: str
    stream: str
    is_main: bool
    alone: UsableInformation
    rest: UsableInformation
    joint: UsableInformation
    added: UsableInformation


_QUANTITIES = {
    "alone": "usable information of the stream alone",
    "rest": "usable information of all other streams",
    "joint": "usable information of all streams",
    "added": "usable information that the stream adds to the others",
}


@dataclass(frozen=True)
class UsableStreams:
    """What :func:`infoflow.usable_streams` measured: a row for each stream into each merge.

    Parameters
    ----------
    rows
        Merge by merge in the order of computation.
    """

    rows: tuple[StreamBits, ...]

    @property
    def unit(self) -> str:
        """``"bits per label"`` or ``"bits per pixel"``."""
        return self.rows[0].joint.unit

    def to_dataset(self) -> xr.Dataset:
        """Return an xarray dataset by ``stream`` (``"source->merge"``), intervals included."""
        variables: dict[str, Any] = {}
        for name, label in _QUANTITIES.items():
            numbers = [getattr(row, name) for row in self.rows]
            for ending, field in (("", "value"), ("_ci_low", "ci_low"), ("_ci_high", "ci_high")):
                values = np.array([getattr(number, field) for number in numbers])
                attributes = {"long_name": label, "units": self.unit}
                variables[name + ending] = ("stream", values, attributes)
        coordinates = {
            "stream": [f"{row.stream}->{row.merge}" for row in self.rows],
            "source": ("stream", [row.stream for row in self.rows]),
            "merge": ("stream", [row.merge for row in self.rows]),
            "is_main": ("stream", [row.is_main for row in self.rows]),
        }
        first = self.rows[0].joint
        about = {"kind": first.kind, "family": first.family, "entropy": first.entropy}
        return xr.Dataset(variables, coordinates, about)

    def __str__(self) -> str:
        first = self.rows[0].joint
        header = ["merge", "stream", "", "alone", "rest", "joint", "added", "95 % interval"]
        rows = [header, *(_cells(row) for row in self.rows)]
        return "\n".join(
            [
                f"{first.kind}, {first.samples} samples, in {self.unit}; of Y: {first.entropy:.3f}",
                "",
                *align(rows, right=(3, 4, 5, 6)),
            ]
        )


def _cells(row: StreamBits) -> list[str]:
    values = (row.alone, row.rest, row.joint, row.added)
    return [
        row.merge,
        row.stream,
        "main" if row.is_main else "skip",
        *(f"{number.value:.3f}" for number in values),
        f"{row.added.ci_low:.3f} to {row.added.ci_high:.3f}",
    ]


def usable_streams(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    target: TargetLike = "auto",
    family: Family | None = None,
    merges: Sequence[str] | None = None,
    folds: int = 5,
    pixels: int = 64,
    device: str | None = None,
    unpack: Unpack | None = None,
    seed: int = 0,
    progress: bool | None = None,
    leaves: Sequence[Choice] = (),
    open: Sequence[Choice] = (),
    reduce: Reduce = "flatten",
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
        As for :func:`infoflow.usable_information`. Memory for one merge is 4 bytes ×
        samples × pixels × channels of all streams, times 9 for the convolution, and three times
        that while a probe is fitted.
    device, unpack, progress, leaves, open, reduce
        As for :func:`infoflow.analyze`.

    Returns
    -------
    UsableStreams
        ``print`` shows a table; ``.to_dataset()`` gives arrays.

    Raises
    ------
    ArgumentError
        If the net has no merges, there is none of a name, or the streams do not suit the family.
    TargetError
        If there is no target, or one that holds no classes.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(16, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=8)
    >>> found = usable_streams(
    ...     UNet(base_channels=2), loader, family="linear", merges=["decoder.3.0"], progress=False
    ... )
    >>> [(row.stream, row.is_main) for row in found.rows]
    [('encoder.0.2', False), ('upsample.3', True)]
    """
    if family is not None:
        check_family(family)
    check_plain(model, "usable_streams")
    with undisturbed(model, loader, device) as place:
        samples = Samples(loader, unpack=unpack, model=model, device=place, seed=seed)
        example = samples.example()
        graph = trace(model, example.call, leaves=leaves, open=open, reduce=reduce)
        chosen = _with_rows(graph, _chosen(graph, merges))
        classes = raw_classes(target, graph, samples, example, caller="usable_streams")
        question = ask(classes, folds=folds, pixels=pixels, seed=seed)
        known = family or ("linear" if question.places is None else "conv3x3")
        fits = sum(_fits(merge) for merge in chosen)
        disable = None if progress is None else not progress
        rows: list[StreamBits] = []
        with tqdm(total=fits, desc="fitting probes", disable=disable, leave=False) as bar:
            for merge in chosen:
                features = _features(graph, samples, merge, question, known)
                rows += _Bits(features, question, known, bar).of(merge)
    return UsableStreams(tuple(rows))


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
    warnings.warn(f"{message} They are left out.", UnmeasurableWarning, stacklevel=3)
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
    graph: LayerGraph, samples: Samples, merge: Merge, question: Question, family: Family
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
            rows = question.rows(as_features(value), family, batch.start)
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
        self, features: dict[str, Tensor], question: Question, family: Family, bar: Any
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
                    stream=stream,
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
