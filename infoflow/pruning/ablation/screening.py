"""Ranking all streams by one backward pass; for choosing what to measure, never for a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infoflow.capture.batches import Batch
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError, Skip
from infoflow.pruning.ablation.batch_parts import take
from infoflow.pruning.ablation.bench import Advance, Bench, Floats
from infoflow.pruning.ablation.gates import Gated, gated


@dataclass(frozen=True, eq=False)
class Screen:
    """What a backward pass says of each stream.

    Parameters
    ----------
    streams
        Names of the streams.
    fisher
        Expected rise of the loss in bits per label, to second order: ½ E[(g·v)²], where g·v is the
        derivative of a sample's log-likelihood along the stream, for labels drawn from the net's
        own prediction. NaN where none can be drawn, or the stream has no gate.
    absolute
        Mean of abs(g·v) for the true labels, in bits per label.
    joint
        (samples, streams) g·v of each sample in nats, from which ½ E of sets follows.
    labels
        Number of labels of all these samples.
    """

    streams: tuple[str, ...]
    fisher: Floats
    absolute: Floats
    joint: Floats
    labels: float

    def of_set(self, names: Sequence[str]) -> float:
        """Return ½ E[(g·v)²] of several streams together, in bits per label."""
        places = [self.streams.index(name) for name in names]
        total = self.joint[:, places].sum(1)
        return float(0.5 * np.square(total).sum() / self.labels / math.log(2))

    @property
    def score(self) -> Floats:
        """What streams are ranked by: the Fisher bits, or the mean of absolute derivatives."""
        return self.absolute if np.isnan(self.fisher).all() else self.fisher


def screen(bench: Bench, streams: Sequence[Skip], advance: Advance, seed: int = 0) -> Screen:
    """Rank streams on the samples that choose; where none do, on those that judge.

    Notes
    -----
    Every stream is turned down by a number for each sample, and the derivatives along these are
    g·v, summed within each sample. Magnitudes are off by factors of 0.1 to 2: only the order
    counts.
    """
    gates = gated(bench.graph, streams, bench.footprint)
    rows = bench.held_out.ranking
    generator = torch.Generator().manual_seed(seed)
    drawn: list[Tensor] = []
    true: list[Tensor] = []
    labels = 0.0
    for batch in bench.held_out.batches(rows):
        for piece in _pieces(bench, batch):
            own, given, count = _derivatives(bench, gates, piece, generator)
            drawn += [] if own is None else [own]
            true.append(given)
            labels += count
            advance(piece.size / len(rows))
    known = torch.cat(true).double().numpy()
    joint = torch.cat(drawn).double().numpy() if drawn else np.full_like(known, np.nan)
    names = tuple(stream.name for stream in streams)
    columns = [gates.streams.index(name) if name in gates.streams else -1 for name in names]
    return Screen(
        names,
        _along(0.5 * np.square(joint).sum(0) / labels / math.log(2), columns),
        _along(np.abs(known).sum(0) / labels / math.log(2), columns),
        np.stack([joint[:, c] if c >= 0 else np.full(len(joint), np.nan) for c in columns], 1),
        labels,
    )


def _along(values: Floats, columns: Sequence[int]) -> Floats:
    return np.array([values[column] if column >= 0 else math.nan for column in columns])


def _pieces(bench: Bench, batch: Batch) -> list[Batch]:
    """Divide a batch so that the values that a backward pass keeps fit into the budget."""
    per_sample = sum(bench.footprint.sizes.values()) / bench.footprint.samples
    most = max(1, int(bench.budget / (2 * per_sample)))
    rows = np.arange(batch.size)
    return [take(batch, rows[i : i + most], i) for i in range(0, batch.size, most)]


def _derivatives(
    bench: Bench, gates: Gated, batch: Batch, generator: torch.Generator
) -> tuple[Tensor | None, Tensor, float]:
    """Return g·v for drawn and for true labels, (samples, streams), and the number of labels."""
    device = next((t.device for t in batch.call.tensors), torch.device("cpu"))
    with torch.enable_grad():
        turns = torch.zeros(batch.size, len(gates.streams), dtype=torch.float32, device=device)
        turns.requires_grad_()
        output = gates.run(batch.call, turns)
        labels = float(bench.loss(output, batch.target, batch.call).labels.sum())
        target = _drawn(bench, output, generator)
        own = None
        if target is not None:
            own = _gradient(bench, output, target, batch.call, turns, keeps=True)
        given = _gradient(bench, output, batch.target, batch.call, turns, keeps=False)
    return own, given, labels


def _drawn(bench: Bench, output: Any, generator: torch.Generator) -> Tensor | None:
    try:
        return bench.loss.draw_labels(output, generator)
    except ArgumentError:
        return None  # a loss of the caller's own has no labels to draw


def _gradient(
    bench: Bench, output: Any, target: Any, call: Arguments, turns: Tensor, *, keeps: bool
) -> Tensor:
    total = bench.loss.total(output, target, call)
    (found,) = torch.autograd.grad(total, turns, retain_graph=keeps, allow_unused=True)
    return torch.zeros_like(turns).cpu() if found is None else found.detach().cpu()
