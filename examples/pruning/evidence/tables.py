"""The tables of the study, made of the summaries of its nets."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from evidence.ranking import Summary, correlations, damage_of, interval_of_nets, mean_of_nets

Row = dict[str, str]
HALVES = {1: "first", 2: "second"}
#: Verdicts are shown up to this multiple of the default tolerance.
LARGEST_FACTOR = 2.0
WAYS = {
    "plain": "as it is",
    "mended": "mended",
    "tuned": "mended and tuned",
    "redesign": "trained from scratch",
}


def read_summaries(folder: Path) -> list[Summary]:
    """Return the summaries of a folder, net by net; a ValueError where there is none."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"{folder} holds no summaries. Run study.py measure first.")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda one: (one["half"], one["net"], one["seed"]))


def net_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return a row for each net: what it is, and how well it does."""
    return [
        {
            "net": several[0]["title"],
            "half": HALVES[several[0]["half"]],
            "seeds": str(len(several)),
            "parameters": f"{several[0]['parameters']:,}",
            "streams": str(len(several[0]["streams"])),
            "mend, choose, judge, test": ", ".join(
                str(several[0]["samples"][part]) for part in ("mend", "choose", "judge", "test")
            ),
            "loss": spread(one["loss"] for one in several),
            "metric": f"{several[0]['metric']} {spread(one['score'] for one in several)}",
            "tolerance, bits": spread(one["tolerance"] for one in several),
            "firm verdicts": firm_share(several),
        }
        for several in by_net(summaries)
    ]


def firm_share(several: Sequence[Summary]) -> str:
    """Return the share of firm verdicts on a mended net, of 256 samples and the default tolerance.

    Empty where no verdict had so many samples.
    """
    counts = pooled_verdicts(several).get((several[0]["half"], "mended", 256, 1.0))
    return f"{(counts['prune'] + counts['keep']) / counts['given']:.0%}" if counts else ""


def stream_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return, for each net and way, what the streams cost on the test part."""
    rows = []
    for several in by_net(summaries):
        for way, words in WAYS.items():
            found = [damage_of(one, way) for one in several]
            if not any(found):
                continue
            numbers = [list(streams.values()) for streams in found if streams]
            within = [
                fmean(bits < one["tolerance"] for bits in streams.values())
                for one, streams in zip(several, found, strict=True)
                if streams
            ]
            rows.append(
                {
                    "net": several[0]["title"],
                    "without a stream": words,
                    "bits lost, median": spread(median(each) for each in numbers),
                    "worst": spread(max(each) for each in numbers),
                    "metric lost, median": spread(
                        median(row[way]["damage"] for row in one["streams"] if way in row)
                        for one in several
                        if any(way in row for row in one["streams"])
                    ),
                    "within the tolerance": f"{fmean(within):.0%}",
                }
            )
    return rows


def verdict_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return how verdicts did, for each half, way, sample size and tolerance that is shown."""
    rows = []
    for (half, how, samples, factor), counts in sorted(pooled_verdicts(summaries).items()):
        if factor > LARGEST_FACTOR:
            continue
        given = counts["given"]
        rows.append(
            {
                "half": HALVES[half],
                "net": WAYS.get(how, how),
                "samples": str(samples),
                "tolerance": f"{factor:g} × default",
                "cases": str(given),
                "prune": f"{counts['prune'] / given:.0%}",
                "keep": f"{counts['keep'] / given:.0%}",
                "wrong": f"{counts['wrong'] / given:.1%}",
                "firm with the metric's veto": (
                    f"{counts['firm_with_metric'] / given:.0%}"
                    if counts["firm_with_metric"] >= 0
                    else "not counted"
                ),
                "interval holds": f"{counts['held'] / given:.1%}",
            }
        )
    return rows


def pooled_verdicts(
    summaries: Sequence[Summary],
) -> dict[tuple[int, str, int, float], dict[str, float]]:
    """Return counts by half, way, sample size and tolerance; every case counts once."""
    found: dict[tuple[int, str, int, float], list[dict[str, Any]]] = defaultdict(list)
    for one in summaries:
        for tally in one["verdicts"]:
            key = (one["half"], tally["how"], tally["samples"], tally["factor"])
            found[key].append(tally)
    names = ("given", "prune", "keep", "wrong", "held", "firm_with_metric")
    return {
        key: {n: sum(t.get(n, -math.inf) for t in tallies) for n in names}
        for key, tallies in found.items()
    }


def ranking_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return, for each reading, how well it ranks what cuts and mended cuts cost on test data."""
    readings: list[str | tuple[str, str]] = [(w, "judge") for w in ("plain", "mended", "short")]
    readings += sorted({name for one in summaries for name in one["readings"]})
    rows = []
    for reading in readings:
        row = {"reading": reading if isinstance(reading, str) else _words(reading)}
        for way in ("plain", "mended", "tuned", "redesign"):
            numbers = correlations(summaries, reading, way)
            row[f"bits lost {WAYS[way]}"] = _with_interval(numbers)
        if any(row[column] for column in row if column != "reading"):
            rows.append(row)
    return rows


def _words(reading: tuple[str, str]) -> str:
    way, _ = reading
    if way == "short":
        return "bits lost after a short training without the stream"
    return f"bits lost {WAYS[way]}, on the judging samples"


def _with_interval(numbers: dict[str, list[float]]) -> str:
    mean, (low, high) = mean_of_nets(numbers), interval_of_nets(numbers)
    if math.isnan(mean):
        return ""
    return f"{mean:+.2f}" if math.isnan(low) else f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def cost_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return, for each net, what a stream costs, in forward passes over the held-out samples."""
    rows = []
    for several in by_net(summaries):
        row = {"net": several[0]["title"]}
        for way, words in WAYS.items():
            shares = [
                one["seconds"][way] / one["seconds"]["whole"]
                for one in several
                if way in one["seconds"]
            ]
            row[words] = spread(shares) if shares else ""
        rows.append(row)
    return rows


def by_net(summaries: Sequence[Summary]) -> list[list[Summary]]:
    """Return the summaries of each net, of all of its seeds, in order."""
    found: dict[str, list[Summary]] = {}
    for one in summaries:
        found.setdefault(one["net"], []).append(one)
    return list(found.values())


def spread(values: Iterable[float], form: str = ".3g") -> str:
    """Return the mean with the smallest and the largest, or the one value.

    Examples
    --------
    >>> spread([0.25, 0.75]), spread([2.0])
    ('0.5 (0.25 to 0.75)', '2')
    """
    known = list(values)
    mean = format(fmean(known), form)
    if len(known) == 1:
        return mean
    return f"{mean} ({min(known):{form}} to {max(known):{form}})"


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table, without columns that are empty."""
    columns = [column for column in rows[0] if any(row[column] for row in rows)]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
