"""Gram matrices of what reads the merges of a net, from one pass over samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from infoflow.capture.batches import Batch
from infoflow.graph import LayerGraph
from infoflow.graph.builders import BundleBuilder, MergeBuilder
from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.running.pytree import tensor_of
from infoflow.interface import Merge
from infoflow.pruning.mending.calibration import Calibration, choose_rows, share_of_rows
from infoflow.pruning.mending.finding import UnmendableError, place_of
from infoflow.pruning.mending.kernels import Kernel, as_matrices, row_count, rows
from infoflow.pruning.mending.moments import Moments, Sums
from infoflow.pruning.mending.residuals import ReaderMoments
from infoflow.pruning.rewriting.concat import plan_cut
from infoflow.pruning.rewriting.surgery import CannotCutError, Surgery
from infoflow.pruning.variants import Footprint, WholeRun, ready

_CHUNK_BYTES = 2**26
#: A ranking needs fewer rows than a regression whose weights are used.
_ROWS_PER_UNKNOWN = 8


@dataclass(frozen=True, eq=False)
class _Reader:
    """A reader of a merge: the values that it reads side by side, and its weights."""

    values: tuple[fx.Node, ...]
    output: fx.Node
    kernel: Kernel
    weight: Tensor
    streams: dict[str, tuple[int, ...]]


def reader_moments(
    graph: LayerGraph,
    footprint: Footprint,
    calibration: Calibration,
    *,
    merges: Collection[str] | None = None,
    ridge: float = 0.01,
    budget: int = 5 * 10**8,
    seed: int = 0,
) -> dict[str, tuple[ReaderMoments, ...]]:
    """Return, by name of a merge, what its readers read and make of it.

    One forward pass of the whole net over the samples, and a Gram matrix for each reader. A merge
    of concatenated streams has the layers that read it for readers; of a sum, the sum itself is
    the reader. Products, and readers whose channels cannot be told apart, are left out.

    Parameters
    ----------
    graph, footprint
        The whole net, and how its values lie in memory.
    calibration
        The samples.
    merges
        Names of the merges; None takes all.
    ridge
        As for :class:`~infoflow.pruning.mending.mend.Mender`.
    budget
        Bytes of the largest Gram matrix; larger ones are left out.
    seed
        Decides which positions are seen, where not all are.
    """
    call = graph.source.example
    assert call is not None
    work = Surgery(graph, call, footprint.shapes)
    found = {
        merge.name: [
            reader
            for reader in _readers(graph, work, merge, graph.anatomy.merges[merge.name])
            if 8 * reader.kernel.unknowns**2 <= budget
        ]
        for merge in graph.merges
        if merges is None or merge.name in merges
    }
    sums = _sums(graph, footprint, calibration, [r for rs in found.values() for r in rs], seed)
    return {
        merge: tuple(_as_moments(reader, sums[reader], ridge) for reader in readers)
        for merge, readers in found.items()
        if readers
    }


def _as_moments(reader: _Reader, found: Moments, ridge: float) -> ReaderMoments:
    return ReaderMoments(
        reader.streams, found.gram[0] / found.count, reader.weight.to(found.gram.device), ridge
    )


def _readers(graph: LayerGraph, work: Surgery, merge: Merge, draft: MergeBuilder) -> list[_Reader]:
    if isinstance(draft, BundleBuilder):
        return _readers_of_bundle(graph, work, merge, draft)
    return _reader_of_sum(graph, work, merge, draft.node)


def _reader_of_sum(graph: LayerGraph, work: Surgery, merge: Merge, node: fx.Node) -> list[_Reader]:
    """Return a sum as a map from its operands, channel by channel."""
    flows = graph.anatomy.streams.flows
    pair = tuple(n for n in node.args if isinstance(n, fx.Node) and n in flows)
    name = operation_of(node, graph.program.module(node)).name
    shapes = {work.shapes[work.new(n)] for n in (*pair, node)}
    shape = shapes.pop()
    is_plain = len(pair) == len(node.args) == 2 and not node.kwargs and not shapes
    if name not in ("add", "sub") or not is_plain or shape is None or len(shape) < 2:
        return []
    sources = [flows[operand].sources for operand in pair]
    if any(len(names) != 1 for names in sources):
        return []
    is_map = len(shape) == 4
    width = shape[1] if is_map else shape[-1]
    signs = (1.0, -1.0 if name == "sub" else 1.0)
    identity = torch.eye(width, dtype=torch.float64, device="cpu")
    weight = torch.cat([sign * identity for sign in signs])
    streams = {
        f"{names[0]}->{merge.name}": tuple(range(number * width, (number + 1) * width))
        for number, names in enumerate(sources)
    }
    kernel = Kernel("linear", (width, 2 * width))
    if is_map:
        size = (width, 2 * width, 1, 1)
        kernel = Kernel("convolution", size, (1, 1), ((0, 0), (0, 0)), (1, 1))
    return [_Reader(pair, node, kernel, weight, streams)]


def _readers_of_bundle(
    graph: LayerGraph, work: Surgery, merge: Merge, bundle: BundleBuilder
) -> list[_Reader]:
    """Return the linear layers and convolutions that read a concatenation."""
    channels: dict[fx.Node, dict[str, tuple[int, ...]]] = {}
    values: dict[fx.Node, fx.Node] = {}
    for source in merge.streams:
        try:
            plan = plan_cut(work, bundle, frozenset([source]))
        except CannotCutError:
            continue
        for node, value in plan.readers:
            if value in plan.frontier and work.shapes[node] is not None:
                kept = plan.frontier[value].kept
                gone = tuple(i for i, stays in enumerate(kept) if not stays)
                channels.setdefault(node, {})[f"{source}->{merge.name}"] = gone
                values[node] = value
    found = [_layer(graph, work, node, values[node], parts) for node, parts in channels.items()]
    return [reader for reader in found if reader is not None]


def _layer(
    graph: LayerGraph,
    work: Surgery,
    node: fx.Node,
    value: fx.Node,
    channels: dict[str, tuple[int, ...]],
) -> _Reader | None:
    old = work.old(node)
    try:
        place = place_of(old, graph.program.model)
    except UnmendableError:
        return None
    if place is None or place.kernel.groups != 1:
        return None
    kernel = place.kernel
    weight = as_matrices(kernel, place.weights(graph.program.model)[0])[0].double()
    streams = {
        name: tuple(
            position * kernel.inputs + channel
            for position in range(kernel.unknowns // kernel.inputs)
            for channel in gone
        )
        for name, gone in channels.items()
    }
    return _Reader((work.old(value),), old, kernel, weight, streams)


def _sums(
    graph: LayerGraph,
    footprint: Footprint,
    calibration: Calibration,
    readers: Sequence[_Reader],
    seed: int,
) -> dict[_Reader, Moments]:
    """Run the whole net once over the samples and add up each reader's moments."""
    run = WholeRun(graph.program, footprint)
    wanted = {node for reader in readers for node in (*reader.values, reader.output)}
    sums = {reader: Sums() for reader in readers}
    with ready(graph.program.model):
        for batch in calibration.batches():
            values = run.values(batch.call, wanted).of
            for number, reader in enumerate(readers):
                for features in _features(reader, values, batch, calibration.count, seed + number):
                    sums[reader].add(features, features[..., :0])
    return {reader: one.moments() for reader, one in sums.items()}


def _features(
    reader: _Reader, values: Mapping[fx.Node, Any], batch: Batch, samples: int, seed: int
) -> Iterator[Tensor]:
    """Yield the rows of features that a batch gives a reader."""
    output = tensor_of(values[reader.output])
    parts = [tensor_of(values[node]) for node in reader.values]
    value = parts[0] if len(parts) == 1 else torch.cat(parts, 1 if reader.kernel.spatial else -1)
    count = row_count(reader.kernel, output)
    share = share_of_rows(reader.kernel.unknowns, count * samples // batch.size, _ROWS_PER_UNKNOWN)
    chosen = choose_rows(count, count // batch.size * batch.start, share, seed)
    chunk = max(1, _CHUNK_BYTES // (8 * (reader.kernel.unknowns + 1)))
    for features, _ in rows(reader.kernel, value, output, chosen, chunk):
        yield features
