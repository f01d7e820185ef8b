"""What was measured on one net, as plain numbers: a file of some kilobytes, which is committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evidence.judging import judged, truth_of
from evidence.measuring import Bench, chosen, read
from evidence.recording import Record
from evidence.slimming import MENDERS, calibration
from evidence.training import machine
from infoflow.pruning.ablation.bounds import default_tolerance

#: The ways whose verdicts are counted.
JUDGED = ("plain", "mended")


def summary(bench: Bench) -> dict[str, Any]:
    """Return what is known of a net: each stream, verdicts from few samples, what it cost."""
    whole = bench.whole()
    known = ways_of(bench)
    is_ratio = bench.entry.kind == "squares"
    loss = float(whole.losses[bench.rows["judge"]].mean())
    return {
        "net": bench.entry.name,
        "title": bench.entry.title,
        "half": bench.entry.half,
        "seed": bench.seed,
        "machine": machine(),
        "samples": {
            "mend": len(calibration(bench.parts.train)[0]),
            **{part: len(getattr(bench.parts, part)[0]) for part in ("train", *bench.rows)},
        },
        "parameters": sum(p.numel() for p in bench.model.parameters()),
        "kind": bench.entry.kind,
        "metric": bench.entry.metric,
        "loss": significant(loss),
        "score": significant(float(whole.scores[bench.rows["test"]].mean())),
        "tolerance": significant(default_tolerance(loss, is_ratio=is_ratio)),
        "streams": [stream_row(bench, name, ways) for name, ways in known.items()],
        "verdicts": verdicts(bench, known),
        "readings": {
            reading: {name: significant(value) for name, value in numbers.items()}
            for reading, numbers in read(bench).items()
        },
        "seconds": seconds(bench, known),
    }


def ways_of(bench: Bench) -> dict[str, dict[str, Record]]:
    """Return the records of each stream by the way that the net without it was made.

    ``mended`` is the one that loses least on the samples that choose, of plain, reader and cascade;
    ``tuned`` the best of that one, and of the plain and the mended net after tuning.
    """
    found: dict[str, dict[str, Record]] = {}
    for name in bench.streams:
        several = (*MENDERS, "tuned-plain", "tuned-mended")
        ways = {
            w: bench.notebook[f"{w} {name}"] for w in several if f"{w} {name}" in bench.notebook
        }
        if "plain" not in ways:
            continue  # the only way to the output
        if len(ways) > 1:
            mended = chosen(bench, name)
            ways["mended"] = ways[mended]
            if "tuned-mended" in ways:
                ways["tuned"] = ways[chosen(bench, name, several)]
        found[name] = ways
    return found


def stream_row(bench: Bench, name: str, ways: Mapping[str, Record]) -> dict[str, Any]:
    """Return what a net loses without a stream, by the way it was made."""
    row: dict[str, Any] = {"stream": name}
    if "mended" in ways:
        row["mender"] = chosen(bench, name)
    whole, rows = bench.whole(), bench.rows
    is_ratio = bench.entry.kind == "squares"
    for way, found in ways.items():
        judge, test = (
            truth_of(whole.losses[rows[part]], found.losses[rows[part]], is_ratio)
            for part in ("judge", "test")
        )
        damage = (whole.scores - found.scores)[rows["test"]].mean()
        numbers = (judge.value, test.value, test.low, test.high, float(damage))
        row[way] = dict(
            zip(("judge", "test", "low", "high", "damage"), map(significant, numbers), strict=True)
        )
    return row


def verdicts(bench: Bench, known: Mapping[str, Mapping[str, Record]]) -> list[dict[str, Any]]:
    """Return how often verdicts were given, and how often they were wrong."""
    found = []
    for how in JUDGED:
        others = [ways[how].losses for ways in known.values() if how in ways]
        if others:
            whole, rows = bench.whole().losses, bench.rows
            is_ratio = bench.entry.kind == "squares"
            found += judged(how, whole, others, rows["judge"], rows["test"], is_ratio)
    return found


def seconds(bench: Bench, known: Mapping[str, Mapping[str, Record]]) -> dict[str, float]:
    """Return the processor time of a whole run over the held-out samples, and of each way.

    For ``plain`` that is one run over the held-out samples; for the others what it took to make
    the net.
    """
    found = {"whole": significant(bench.whole().seconds)}
    for way in (*MENDERS, "tuned-plain", "tuned-mended"):
        each = [ways[way].seconds for ways in known.values() if way in ways]
        if each:
            found[way] = significant(sum(each) / len(each))
    return found


def significant(number: float) -> float:
    """Round to five digits."""
    return float(f"{float(number):.5g}")
