"""Nets that are trained from scratch without a stream, and how they do early and in the end."""

from __future__ import annotations

import time
import warnings

import torch
from torch import nn

import infoflow
from evidence.measuring import Bench, Say
from evidence.recording import Record, record
from evidence.training import begin, run_epoch
from infoflow.interface import PruningError, PruningWarning


def measure_redesign(bench: Bench, say: Say = print) -> None:
    """Train the net from scratch without each stream, and note what it loses.

    ``short`` is after a quarter of the epochs, at least one; ``redesign`` at the end. Each starts
    from the weights that the whole net of the seed started from, and sees the same batches. Costs a
    whole training for every stream.
    """
    if bench.entry.recipe is None:
        say(f"{bench.name}: comes trained, so it is not trained from scratch")
        return
    for name in bench.streams:
        if f"redesign {name}" in bench.notebook:
            continue
        net = untrained_without(bench, name)
        if net is not None:
            started = time.process_time()
            _race(bench, name, net)
            say(f"{bench.name}: without {name} from scratch, {time.process_time() - started:.0f} s")


def untrained_without(bench: Bench, stream: str) -> nn.Module | None:
    """Return the untrained net of the seed without a stream; None where it is the only path."""
    model = bench.entry.build(bench.places, bench.seed)
    example = bench.parts.train[0][:2]
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", PruningWarning)
        try:
            return infoflow.prune(model, stream, example)
        except PruningError:
            return None


def _race(bench: Bench, stream: str, net: nn.Module) -> None:
    entry = bench.entry
    assert entry.recipe is not None
    state, early = begin(net, entry.recipe), max(1, entry.recipe.epochs // 4)
    for epoch in range(1, entry.recipe.epochs + 1):
        run_epoch(state, entry, bench.parts.train, bench.seed)
        if epoch in (early, entry.recipe.epochs):
            found = record(net, entry, bench.held_out)
            spent = Record(found.losses, found.scores, sum(state.seconds))
            if epoch == early:
                bench.notebook[f"short {stream}"] = spent
            if epoch == entry.recipe.epochs:
                bench.notebook[f"redesign {stream}"] = spent
