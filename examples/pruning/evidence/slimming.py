"""Nets without some of their streams, plain, mended and tuned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import nn

import infoflow
from evidence.entry import Entry, Samples, take
from evidence.recording import batches
from evidence.scoring import sample_nats
from infoflow.graph import LayerGraph
from infoflow.interface import PruningError, PruningWarning
from infoflow.pruning.choice import StreamNames, candidates

#: Samples that mend.
CALIBRATION = 512
#: Gentle tuning: so many batches, at so much of the recipe's learning rate, by plain SGD.
STEPS, BATCH, RATE = 40, 32, 0.005


def stream_names(graph: LayerGraph) -> list[str]:
    """Return the streams that advice is given on, merge by merge."""
    return [skip.name for merge in graph.merges for skip in candidates(merge)]


def without(
    graph: LayerGraph,
    streams: Sequence[str],
    mender: str = "plain",
    calibrate: Samples | None = None,
) -> nn.Module | None:
    """Return the net without some streams; None where they cannot go or cannot be mended."""
    model = graph.source.model
    names = StreamNames.of(streams, graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PruningWarning)
        try:
            if mender == "plain":
                return infoflow.prune(model, names)
            assert calibrate is not None
            loader = [inputs for inputs, _ in batches(calibrate)]
            return infoflow.prune(model, names, mend=mender, calibrate=loader)
        except PruningError:
            return None


def calibration(train: Samples) -> Samples:
    """Return the samples that mend: the first of those that were trained on."""
    return take(train, slice(CALIBRATION))


def tune(model: nn.Module, entry: Entry, train: Samples, seed: int) -> None:
    """Train a net in place, gently, on a few batches."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], RATE)
    model.train()
    for step in range(STEPS):
        rows = torch.randint(len(train[0]), (BATCH,), generator=generator)
        inputs, targets = take(train, rows)
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        optimizer.zero_grad()
        sample_nats(entry.kind, model(inputs), targets).mean().backward()
        optimizer.step()
    model.eval()
