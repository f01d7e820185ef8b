"""Measuring a trained net: all of its streams, as they are, mended and tuned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import infoflow
from evidence.advising import advise, read_advice
from evidence.entry import Entry, Parts, Places, Samples
from evidence.readings import Readings, cheap_readings
from evidence.recording import Notebook, Record, Rows, held_out, record, record_variants
from evidence.scoring import constant_loss
from evidence.slimming import calibration, stream_names, tune, without
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
    folder
        Of its weights and of all that is measured.
    places
        Where it is built from.
    """

    entry: Entry
    seed: int
    parts: Parts
    graph: LayerGraph
    streams: tuple[str, ...]
    folder: Path
    places: Places

    @cached_property
    def notebook(self) -> Notebook:
        """What is known already of single nets."""
        return Notebook(self.folder / "records")

    @property
    def advice(self) -> dict[str, Any] | None:
        """What infoflow.ablate said, None where it was not asked yet."""
        return read_advice(self.folder / "advice.json")

    @property
    def is_ratio(self) -> bool:
        """Whether bits are half the logarithm of a ratio of squared errors."""
        return self.entry.kind == "squares"

    @property
    def name(self) -> str:
        """The net and the seed, for messages."""
        return f"{self.entry.name} {self.seed}"

    @property
    def model(self) -> nn.Module:
        """The whole net."""
        return self.graph.source.model

    @property
    def rows(self) -> dict[str, Rows]:
        """Which rows of a record choose, judge and tell the truth.

        The first held-out samples are ablate's, which chooses by itself which of them choose.
        """
        advice, first = self.advice, len(self.parts.choose[0])
        count = first + len(self.parts.judge[0])
        chooses = np.arange(count) < first
        if advice is not None:
            roles = np.array(advice["roles"])
            chooses = np.zeros(count, bool)
            chooses[: len(roles)] = roles == "choose"
        total = count + len(self.parts.test[0])
        return {
            "choose": np.flatnonzero(chooses),
            "judge": np.flatnonzero(~chooses),
            "test": np.arange(count, total),
        }

    @cached_property
    def held_out(self) -> Samples:
        """The samples of the three parts, in this order."""
        return held_out(self.parts)

    def constant(self, rows: Rows) -> float | None:
        """Return what the best constant prediction loses on some of the held-out samples."""
        return constant_loss(self.entry.kind, self.held_out[1][torch.from_numpy(rows)])

    def whole(self) -> Record:
        """Return what the whole net loses."""
        return self.notebook.get("whole", lambda: record(self.model, self.entry, self.held_out))


def prepare(entry: Entry, seed: int, places: Places, folder: Path) -> Bench:
    """Load a trained net and trace it."""
    model = load(entry, seed, places, folder)
    parts = entry.parts(places, entry.sizes, seed)
    graph = infoflow.trace(model, parts.train[0][:2])
    streams = tuple(stream_names(graph))
    return Bench(entry, seed, parts, graph, streams, folder, places)


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
    say(f"{bench.name}: {len(found)} streams measured as they are")


def measure_advised(bench: Bench, say: Say = print) -> None:
    """Ask infoflow.ablate, and note what each point of its frontier loses."""
    path, samples = bench.folder / "advice.json", calibration(bench.parts.train)
    if not path.exists():
        started = time.process_time()
        bench.notebook.forget("point", "mended", "tuned-plain", "tuned-mended")
        advise(bench.entry, bench.graph, bench.parts, samples, bench.seed, path)
        say(f"{bench.name}: ablated in {time.process_time() - started:.0f} s")
    for number, point in enumerate(asked(bench)["points"]):
        _note(bench, f"point {number}", point["streams"], point["mender"], say)


def measure_mended(bench: Bench, say: Say = print) -> None:
    """Note what the net loses without each stream, mended as ablate chose."""
    for row in asked(bench)["streams"]:
        if row["mended"] is not None:
            _note(bench, f"mended {row['stream']}", [row["stream"]], row["mender"], say)


def _note(bench: Bench, key: str, streams: Sequence[str], mender: str, say: Say) -> None:
    """Make the very net that ablate judged, and note what it loses on each sample."""
    if key in bench.notebook:
        return
    started = time.process_time()
    slim = without(bench.graph, streams, mender, calibration(bench.parts.train))
    seconds = time.process_time() - started
    if slim is None:
        return
    found = record(slim, bench.entry, bench.held_out)
    bench.notebook[key] = Record(found.losses, found.scores, seconds)
    say(f"{bench.name}: {key} ({mender}) in {seconds:.1f} s")


def asked(bench: Bench) -> dict[str, Any]:
    """Return what ablate said; a ValueError where it was not asked."""
    advice = bench.advice
    if advice is None:
        raise ValueError(
            f"{bench.folder} has no advice.json: what mends best is not known yet. Run study.py "
            f"measure --net {bench.entry.name} --seed {bench.seed} --stage advised first."
        )
    return advice


def measure_tuned(bench: Bench, say: Say = print) -> None:
    """Note what the net loses without each stream after gentle tuning, plain or mended before."""
    for row in asked(bench)["streams"]:
        for how in ("plain", "mended"):
            key, mender = (
                f"tuned-{how} {row['stream']}",
                "plain" if how == "plain" else row["mender"],
            )
            if key in bench.notebook or row[how] is None:
                continue
            slim = without(bench.graph, [row["stream"]], mender, calibration(bench.parts.train))
            if slim is None:
                continue
            started = time.process_time()
            tune(slim, bench.entry, bench.parts.train, bench.seed)
            seconds = time.process_time() - started
            found = record(slim, bench.entry, bench.held_out)
            bench.notebook[key] = Record(found.losses, found.scores, seconds)
            say(f"{bench.name}: {key} in {seconds:.1f} s")


def least(bench: Bench, stream: str, ways: Sequence[str]) -> str:
    """Return the way, of those that were tried, that loses least on the samples that choose."""
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
