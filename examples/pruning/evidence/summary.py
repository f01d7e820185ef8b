"""What was measured on one net, as plain numbers: a file of some kilobytes, which is committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evidence.advising import point_row
from evidence.judging import Part, judged, tolerance_of, truth_of
from evidence.measuring import Bench, least, read
from evidence.recording import Record
from evidence.slimming import calibration
from evidence.training import machine

#: The ways whose verdicts are counted.
JUDGED = ("plain", "mended")
TUNED = ("tuned-plain", "tuned-mended")
#: Trained from scratch, after a quarter of the epochs and at the end.
SCRATCH = ("short", "redesign")
SCREENS = {
    "screen_fisher": "one backward pass, ½ E(g·v)²",
    "screen_absolute": "one backward pass, mean abs(g·v)",
}


def summary(bench: Bench) -> dict[str, Any]:
    """Return what is known of a net: each stream, verdicts from few samples, what it cost."""
    whole = bench.whole()
    known = ways_of(bench)
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
        "tolerance": significant(
            tolerance_of(loss, bench.constant(bench.rows["judge"]), bench.is_ratio)
        ),
        "streams": [stream_row(bench, name, ways) for name, ways in known.items()],
        "verdicts": verdicts(bench, known),
        **advice_of(bench, known),
        "readings": readings_of(bench),
        "seconds": seconds(bench, known),
    }


def ways_of(bench: Bench) -> dict[str, dict[str, Record]]:
    """Return the records of each stream by the way that the net without it was made.

    ``mended`` is as ablate chose; ``tuned`` is the best of that one, and of the plain and the
    mended net after tuning, on the samples that choose.
    """
    found: dict[str, dict[str, Record]] = {}
    several = ("plain", "mended", *TUNED)
    for name in bench.streams:
        made = [way for way in (*several, *SCRATCH) if f"{way} {name}" in bench.notebook]
        ways = {way: bench.notebook[f"{way} {name}"] for way in made}
        if any(way in ways for way in TUNED):
            ways["tuned"] = ways[least(bench, name, several)]
        if "plain" in ways:  # else it is the only way to the output
            found[name] = ways
    return found


def stream_row(bench: Bench, name: str, ways: Mapping[str, Record]) -> dict[str, Any]:
    """Return what a net loses without a stream, by the way it was made."""
    row: dict[str, Any] = {"stream": name}
    whole, rows = bench.whole(), bench.rows
    for way, found in ways.items():
        judge, test = (
            truth_of(whole.losses[rows[part]], found.losses[rows[part]], bench.is_ratio)
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
    whole, rows = part_of(bench.whole()), bench.rows
    for how in JUDGED:
        others = [part_of(ways[how]) for ways in known.values() if how in ways]
        parts = rows["judge"], rows["test"]
        if others:
            found += judged(how, whole, others, *parts, bench.is_ratio, bench.constant)
    return found


def part_of(record: Record) -> Part:
    """Return losses and metrics without the time that they took."""
    return Part(record.losses, record.scores)


def advice_of(bench: Bench, known: Mapping[str, Mapping[str, Record]]) -> dict[str, Any]:
    """Return what ablate said of each stream and of its frontier, and what the test part says."""
    advice, whole, test = bench.advice, bench.whole(), bench.rows["test"]
    if advice is None:
        return {}
    wrong, points = {}, []
    for row in advice["streams"]:
        ways = known.get(row["stream"], {})
        judged_net = ways.get("mended", ways.get("plain"))
        if judged_net is not None:
            truth = truth_of(whole.losses[test], judged_net.losses[test], bench.is_ratio)
            wrong[row["stream"]] = truth.contradicts(row["verdict"], advice["tolerance"])
    for number, point in enumerate(advice["points"]):
        if f"point {number}" in bench.notebook:
            found = bench.notebook[f"point {number}"]
            points.append(point_row(point, whole, found, test, bench.is_ratio))
    return {
        "advice": {
            "tolerance": significant(advice["tolerance"]),
            "judging": advice["roles"].count("judge"),
            "conclusion": advice["conclusion"],
            "costs": {name: significant(cost) for name, cost in advice["costs"].items()},
            "streams": [
                {**row, "wrong": wrong[row["stream"]]}
                for row in advice["streams"]
                if row["stream"] in wrong
            ],
        },
        "frontier": points,
    }


def readings_of(bench: Bench) -> dict[str, dict[str, float]]:
    """Return what others rank streams by, and ablate's own screens."""
    found = dict(read(bench))
    if bench.advice is not None:
        found |= {SCREENS[name]: row for name, row in bench.advice["screens"].items()}
    return {
        reading: {name: significant(value) for name, value in numbers.items()}
        for reading, numbers in found.items()
    }


def seconds(bench: Bench, known: Mapping[str, Mapping[str, Record]]) -> dict[str, float]:
    """Return the processor time of a whole run over the held-out samples, and of each way.

    For ``plain`` that is one run over the held-out samples; for the others what it took to make
    the net.
    """
    found = {"whole": significant(bench.whole().seconds)}
    for way in ("plain", "mended", *TUNED, *SCRATCH):
        each = [ways[way].seconds for ways in known.values() if way in ways]
        if each:
            found[way] = significant(sum(each) / len(each))
    return found


def significant(number: float) -> float:
    """Round to five digits."""
    return float(f"{float(number):.5g}")
