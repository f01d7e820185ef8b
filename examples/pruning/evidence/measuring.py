"""Measuring a trained net: all of its streams, as they are, mended and tuned."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

import infoflow
from evidence.entry import Entry, Parts, Places, Samples
from evidence.readings import Readings, cheap_readings
from evidence.recording import Notebook, Record, held_out, record, record_variants
from evidence.slimming import MENDERS, calibration, stream_names, tune, without
from evidence.training import load
from infoflow.graph import LayerGraph

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Bench:
    """A trained net on the bench.

    Parameters
    ----------
    entry, seed
        Which net.
    parts
        Its samples.
    graph
        Its graph.
    streams
        The streams that are measured.
    notebook
        What is known already.
    """

    entry: Entry
    seed: int
    parts: Parts
    graph: LayerGraph
    streams: tuple[str, ...]
    notebook: Notebook

    @property
    def model(self) -> nn.Module:
        """The whole net."""
        return self.graph.source.model

    @property
    def rows(self) -> dict[str, slice]:
        """Which rows of a record choose, judge and tell the truth."""
        first, second = len(self.parts.choose[0]), len(self.parts.judge[0])
        return {
            "choose": slice(first),
            "judge": slice(first, first + second),
            "test": slice(first + second, None),
        }

    @property
    def held_out(self) -> Samples:
        """The samples of the three parts, in this order."""
        return held_out(self.parts)

    def whole(self) -> Record:
        """Return what the whole net loses."""
        return self.notebook.get("whole", lambda: record(self.model, self.entry, self.held_out))


def prepare(entry: Entry, seed: int, places: Places, folder: Path) -> Bench:
    """Load a trained net and trace it."""
    model = load(entry, seed, places, folder)
    parts = entry.parts(places, entry.sizes, seed)
    graph = infoflow.trace(model, parts.train[0][:2])
    streams = tuple(stream_names(graph))
    return Bench(entry, seed, parts, graph, streams, Notebook(folder / "records"))


def measure_plain(bench: Bench, say: Say = print) -> None:
    """Note what the net loses without each stream, as it is."""
    bench.whole()
    missing = [name for name in bench.streams if f"plain {name}" not in bench.notebook]
    slims = {name: without(bench.graph, [name]) for name in missing}
    found = {name: slim for name, slim in slims.items() if slim is not None}
    if found:
        several = record_variants(list(found.values()), bench.graph, bench.entry, bench.held_out)
        for name, one in zip(found, several, strict=True):
            bench.notebook[f"plain {name}"] = one
    say(f"{bench.entry.name} {bench.seed}: {len(found)} streams measured as they are")


def measure_mended(bench: Bench, say: Say = print) -> None:
    """Note what the net loses without each stream, mended by each mender."""
    samples = calibration(bench.parts.train)
    for name in bench.streams:
        for mender in MENDERS[1:]:
            key = f"{mender} {name}"
            if key in bench.notebook:
                continue
            started = time.process_time()
            slim = without(bench.graph, [name], mender, samples)
            if slim is None:
                continue
            seconds = time.process_time() - started
            found = record(slim, bench.entry, bench.held_out)
            bench.notebook[key] = Record(found.losses, found.scores, seconds)
            say(f"{bench.entry.name} {bench.seed}: {name} mended by {mender}, {seconds:.1f} s")


def measure_tuned(bench: Bench, say: Say = print) -> None:
    """Note what the net loses without each stream after gentle tuning, plain or mended before."""
    samples = calibration(bench.parts.train)
    for name in bench.streams:
        for how in ("plain", "mended"):
            key = f"tuned-{how} {name}"
            if key in bench.notebook:
                continue
            mender = "plain" if how == "plain" else chosen(bench, name)
            slim = without(bench.graph, [name], mender, samples)
            if slim is None:
                continue
            started = time.process_time()
            slim = copy.deepcopy(slim)
            tune(slim, bench.entry, bench.parts.train, bench.seed)
            seconds = time.process_time() - started
            found = record(slim, bench.entry, bench.held_out)
            bench.notebook[key] = Record(found.losses, found.scores, seconds)
            say(f"{bench.entry.name} {bench.seed}: {name} tuned, {seconds:.1f} s")


def chosen(bench: Bench, stream: str, ways: Sequence[str] = MENDERS) -> str:
    """Return the way that loses least on the samples that choose."""
    rows = bench.rows["choose"]
    known = [way for way in ways if f"{way} {stream}" in bench.notebook]
    losses = {way: bench.notebook[f"{way} {stream}"].losses[rows].mean() for way in known}
    return min(losses, key=lambda way: float(losses[way]))


def read(bench: Bench) -> Readings:
    """Return what others rank streams by."""
    slims = {name: without(bench.graph, [name]) for name in bench.streams}
    found = {name: slim for name, slim in slims.items() if slim is not None}
    inputs = bench.parts.judge[0][:128]
    return cheap_readings(bench.model, bench.graph, found, inputs, bench.seed)
