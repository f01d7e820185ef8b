"""What a linear refit cannot bring back where streams are missing, jointly for sets of streams."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from infoflow.capture.batches import Batch
from infoflow.graph.builders import LayerBuilder
from infoflow.graph.operands import operands
from infoflow.graph.running.pytree import first_tensor
from infoflow.interface import Skip
from infoflow.pruning.ablation.bench import Bench, Floats
from infoflow.pruning.ablation.gates import Reading, readings
from infoflow.pruning.choice import Removal
from infoflow.pruning.mending.calibration import choose_rows, share_of_rows
from infoflow.pruning.mending.finding import Place, UnmendableError, place_of
from infoflow.pruning.mending.kernels import row_count, rows
from infoflow.pruning.mending.regression import Moments, add, moments
from infoflow.pruning.rewriting.surgery import Surgery
from infoflow.pruning.variants import WholeRun

#: Ridge, relative to the mean variance of a feature.
RIDGE = 0.01
#: Samples that residuals are taken from, at most.
_SAMPLES = 512
#: A share of a channel's variance above this counts as this: 10 bits.
_MOST = 1 - 2.0**-20
#: A regression may use this share of the memory budget.
_SHARE = 0.25
_CHUNK_BYTES = 2**26


class Spot:
    """A regression of what is read on the streams that are read there.

    Parameters
    ----------
    owners
        (U,) for each feature the number of its stream, -1 for what stays.
    found
        Moments of the features and of the targets, which are linear in them.
    """

    def __init__(self, owners: Tensor, found: Moments) -> None:
        self._owners = owners
        gram = found.gram[0]
        penalty = RIDGE * gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
        self._inverse = torch.linalg.inv(gram + penalty * torch.eye(len(gram), dtype=gram.dtype))
        self._weight = self._inverse @ found.cross[0]
        self._squares = found.target_squares[0]
        explained = (self._weight * found.cross[0]).sum(0)
        self._left = (self._squares - explained).clamp_min(0)
        self._known: dict[frozenset[int], float] = {}

    @property
    def streams(self) -> frozenset[int]:
        """Numbers of the streams that are read here."""
        return frozenset(self._owners.unique().tolist()) - {-1}

    def bits(self, gone: frozenset[int]) -> float:
        """Return −½ log₂(1 − r), averaged over channels, without some streams.

        r is the share of a channel's variance that the other streams cannot explain linearly
        beyond what all of them leave, by a Schur complement of the inverse.
        """
        if gone not in self._known:
            self._known[gone] = self._bits(gone) if gone else 0.0
        return self._known[gone]

    def _bits(self, gone: frozenset[int]) -> float:
        where = torch.isin(self._owners, torch.tensor(sorted(gone))).nonzero().flatten()
        weight = self._weight[where]
        lost = (weight * torch.linalg.solve(self._inverse[where][:, where], weight)).sum(0)
        whole = self._squares - self._left
        share = torch.where(whole > 0, lost / whole, 0.0).clamp(0.0, _MOST)
        return float((-0.5 * torch.log2(1 - share)).mean())


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residual bits of sets of streams.

    Parameters
    ----------
    streams
        Names of the streams, in the order of their numbers.
    spots
        Where they are read.
    """

    streams: tuple[str, ...]
    spots: tuple[Spot, ...]

    def knows(self, name: str) -> bool:
        """Tell whether a stream is read where a regression was possible."""
        number = self.streams.index(name) if name in self.streams else None
        return any(number in spot.streams for spot in self.spots)

    def alone(self) -> Floats:
        """Return the residual bits of each stream alone, NaN where they are not known."""
        numbers = [self.of_set([n]) if self.knows(n) else math.nan for n in self.streams]
        return np.array(numbers)

    def of_set(self, names: Iterable[str]) -> float:
        """Return the sum over all spots of the residual bits without streams together."""
        wanted = frozenset(self.streams.index(name) for name in names if name in self.streams)
        return sum(spot.bits(wanted & spot.streams) for spot in self.spots)


@dataclass
class _Draft:
    """A spot while its moments are added up."""

    nodes: tuple[fx.Node, ...]
    owners: Tensor
    pairs: Callable[[dict[fx.Node, Tensor], Tensor], Iterator[tuple[Tensor, Tensor]]]
    count: Callable[[dict[fx.Node, Tensor]], int]
    unknowns: int
    found: Moments | None = field(default=None)


def residuals(
    bench: Bench, streams: Sequence[Skip], batches: Iterable[Batch], seed: int = 0
) -> Residuals:
    """Return the residual bits of streams, from one run of the whole net over samples that mend.

    At most 512 samples are used, and of their positions as many as a refit would use. Layers whose
    regression has no room in a quarter of the budget, or that read in groups, are left out.
    """
    found, own, joint = readings(bench.graph, streams, bench.footprint)
    names = tuple(stream.name for stream in streams)
    found = tuple(_renumbered(reading, own, names) for reading in found)
    limit = int(bench.budget * _SHARE)
    drafts = [one for reading in found if (one := _of_reader(bench, reading, limit)) is not None]
    drafts += [one for group in joint if (one := _of_sum(bench, group, names, limit)) is not None]
    run = WholeRun(bench.graph.program, bench.footprint)
    nodes = {node for draft in drafts for node in draft.nodes}
    seen = 0
    for batch in batches:
        if seen >= _SAMPLES:
            break
        kept = run.values(batch.call, nodes).of
        values = {node: _tensor(value) for node, value in kept.items()}
        for number, draft in enumerate(drafts):
            _add(draft, values, batch, seed * 1_000_003 + number)
        seen += batch.size
    spots = [Spot(draft.owners, draft.found) for draft in drafts if draft.found is not None]
    return Residuals(names, tuple(spots))


def _renumbered(reading: Reading, own: Sequence[str], names: Sequence[str]) -> Reading:
    owners = tuple(-1 if column < 0 else names.index(own[column]) for column in reading.owners)
    return replace(reading, owners=owners)


def _tensor(value: Any) -> Tensor:
    tensor = first_tensor(value)
    assert tensor is not None
    return tensor


def _add(draft: _Draft, values: dict[fx.Node, Tensor], batch: Batch, seed: int) -> None:
    count = draft.count(values)
    per_sample = count / batch.size
    share = share_of_rows(draft.unknowns, round(per_sample * _SAMPLES))
    chosen = choose_rows(count, round(per_sample * batch.start), share, seed)
    if len(chosen):
        for features, targets in draft.pairs(values, chosen):
            draft.found = add(draft.found, moments(features, targets))


def _of_reader(bench: Bench, reading: Reading, limit: int) -> _Draft | None:
    """Return the regression of a linear layer's or convolution's output on what it reads."""
    try:
        place = place_of(reading.reader, bench.model)
    except UnmendableError:
        return None
    if place is None or not _is_plain(place, reading, limit):
        return None
    kernel = place.kernel
    taps = kernel.unknowns // kernel.inputs
    owners = torch.tensor(reading.owners).repeat(taps)
    chunk = max(1, _CHUNK_BYTES // (8 * (kernel.unknowns + 1)))

    def pairs(values: dict[fx.Node, Tensor], chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        return rows(kernel, values[reading.value], values[reading.reader], chosen, chunk)

    nodes = (reading.value, reading.reader)
    count = lambda values: row_count(kernel, values[reading.reader])  # noqa: E731
    return _Draft(nodes, owners, pairs, count, kernel.unknowns)


def _is_plain(place: Place, reading: Reading, limit: int) -> bool:
    kernel = place.kernel
    reads_itself = place.compute is None and place.values == (reading.value,)
    fits = kernel.groups == 1 and kernel.inputs == len(reading.owners)
    return reads_itself and fits and kernel.gram_bytes <= limit


def _of_sum(
    bench: Bench, group: Sequence[Removal], names: Sequence[str], limit: int
) -> _Draft | None:
    """Return the regression of a sum on its operands, channel by channel of one position."""
    draft = group[0].draft
    if not isinstance(draft, LayerBuilder) or draft.kind != "add":
        return None
    call = bench.graph.source.example
    assert call is not None
    work = Surgery(bench.graph, call, bench.footprint.shapes)
    sides: dict[fx.Node, int] = {}
    for removal in group:
        pair = operands(work.new(draft.node), work.flows, work.shapes, removal.sources)
        if isinstance(pair, str):
            return None
        gone, stays = (work.old(node) for node in pair)
        name = removal.names[0]
        sides[gone] = names.index(name) if name in names else -1
        sides.setdefault(stays, -1)
    axis = _channel_axis(bench, draft)
    if axis is None or len(sides) != 2:
        return None
    shape = bench.footprint.shapes[draft.node]
    assert shape is not None
    channels = shape[axis]
    if 8 * 2 * channels * (10 * channels + 4 * channels) > limit:
        return None
    owners = torch.tensor([number for number in sides.values() for _ in range(channels)])

    def flat(value: Tensor, chosen: Tensor) -> Tensor:
        return value.movedim(axis, -1).reshape(-1, channels)[chosen]

    def pairs(values: dict[fx.Node, Tensor], chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        one, other = (flat(values[node], chosen) for node in sides)
        yield torch.cat([one, other], 1).unsqueeze(0), (one + other).unsqueeze(0)

    first = next(iter(sides))
    count = lambda values: values[first].numel() // channels  # noqa: E731
    return _Draft(tuple(sides), owners, pairs, count, 2 * channels)


def _channel_axis(bench: Bench, draft: LayerBuilder) -> int | None:
    """Return the dimension of a batch's sum that counts channels, None where it is not one."""
    layer = bench.graph[draft.name]
    shape = bench.footprint.shapes[draft.node]
    axes = set(range(len(layer.shape))) - set(layer.positions)
    if len(axes) != 1 or shape is None or len(shape) != len(layer.shape) + 1:
        return None
    return axes.pop() + 1
