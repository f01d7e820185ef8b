"""What nets lose on each held-out sample, kept in files so that nothing is computed twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evidence.entry import Entry, Parts, Samples
from evidence.scoring import sample_nats, sample_scores, unit_of
from evidence.training import write
from infoflow.graph import LayerGraph
from infoflow.graph.running.arguments import as_arguments
from infoflow.graph.running.pytree import first_tensor
from infoflow.pruning.variants import WholeRun, observe, ready, variant_of

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
BATCH = 64


@dataclass(frozen=True, eq=False)
class Record:
    """What one net loses on each held-out sample, and its metric there.

    Parameters
    ----------
    losses, scores
        (N,) of the samples that choose, that judge and that tell the truth, in this order. Losses
        are in bits per label, pixel or token, or squared errors.
    seconds
        Processor time that it took.
    """

    losses: Floats
    scores: Floats
    seconds: float


class Notebook:
    """Records by name, one file each.

    Parameters
    ----------
    folder
        Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Return the file of a record."""
        return self.folder / (re.sub(r"[^A-Za-z0-9_.+-]", "~", name) + ".npz")

    def __contains__(self, name: str) -> bool:
        return self.path(name).exists()

    def __getitem__(self, name: str) -> Record:
        with np.load(self.path(name)) as stored:
            return Record(stored["losses"], stored["scores"], float(stored["seconds"]))

    def __setitem__(self, name: str, record: Record) -> None:
        def fill(path: Path) -> None:
            with path.open("wb") as stream:
                np.savez_compressed(
                    stream, losses=record.losses, scores=record.scores, seconds=record.seconds
                )

        write(self.path(name), fill)

    def forget(self, *ways: str) -> None:
        """Delete the records of nets that were made in these ways."""
        for way in ways:
            for path in self.folder.glob(f"{self.path(way + ' ').stem}*.npz"):
                path.unlink()

    def get(self, name: str, compute: Callable[[], Record]) -> Record:
        """Return a record, computed where there is none yet."""
        if name not in self:
            self[name] = compute()
        return self[name]


def held_out(parts: Parts) -> Samples:
    """Return the samples that choose, judge and tell the truth, in this order."""
    several = (parts.choose, parts.judge, parts.test)
    return torch.cat([part[0] for part in several]), torch.cat([part[1] for part in several])


def batches(samples: Samples, size: int = BATCH) -> list[Samples]:
    """Cut samples into batches, in their order."""
    return list(zip(*(part.split(size) for part in samples), strict=True))


def record(model: nn.Module, entry: Entry, samples: Samples) -> Record:
    """Return what a net loses on samples."""
    tally = _Tally(entry)
    started = time.process_time()
    with torch.no_grad():
        model.eval()
        for inputs, targets in batches(samples):
            tally.add(model(inputs), targets)
    return tally.record(time.process_time() - started)


def record_variants(
    slims: Sequence[nn.Module], graph: LayerGraph, entry: Entry, samples: Samples
) -> list[Record]:
    """Return what each net without a stream loses, from one run of the whole net per batch."""
    program = graph.program
    with ready(program.model):
        footprint = observe(program, graph.source.example)
        variants = [variant_of(slim, graph, footprint) for slim in slims]
        run = WholeRun(program, footprint)
        tallies = [_Tally(entry) for _ in variants]
        started = time.process_time()
        for inputs, targets in batches(samples):
            call = as_arguments(program.model, inputs)
            for number, output in run.outputs(call, variants):
                if number is not None:
                    tallies[number].add(first_tensor(output), targets)
        seconds = time.process_time() - started
    return [tally.record(seconds / len(tallies)) for tally in tallies]


class _Tally:
    """Losses and metrics of batch after batch."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._losses: list[Floats] = []
        self._scores: list[Floats] = []

    def add(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Note a batch."""
        kind, metric = self.entry.kind, self.entry.metric
        losses = sample_nats(kind, outputs, targets).double() / unit_of(kind)
        self._losses.append(losses.numpy())
        self._scores.append(sample_scores(metric, kind, outputs, targets).double().numpy())

    def record(self, seconds: float) -> Record:
        """Return all batches in one."""
        return Record(np.concatenate(self._losses), np.concatenate(self._scores), seconds)


def groups(count: int, size: int, most: int) -> Iterator[slice]:
    """Yield disjoint groups of rows, as many as there are, and at most so many."""
    for first in range(0, min(count // size, most) * size, size):
        yield slice(first, first + size)
