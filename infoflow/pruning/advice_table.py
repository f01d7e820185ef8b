"""Pruning advice as text, in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infoflow.graph.text_table import align, as_number

WIDTH = 80


@dataclass(frozen=True)
class AdviceSection:
    """One question, with a row for each stream, and why.

    Parameters
    ----------
    question, reading
        What was asked, and what the answers rest on.
    header, rows
        The table; no rows where there is nothing to tell beyond the reasons.
    reasons
        Why, each reason once.
    """

    question: str
    reading: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    reasons: tuple[str, ...] = ()


def advice_table(advice: Mapping[str, Any]) -> str:
    """Return the conclusion, a table for each question with its reasons, and the caution."""
    if not advice["streams"]:
        return (
            f"{advice['model']} has no skip connections: streams never merge, so there is nothing "
            "to prune."
        )
    lines = [*_wrapped(advice["conclusion"]), ""]
    for part in advice_parts(advice):
        lines += [*_wrapped(part.question), *_wrapped(part.reading), ""]
        if part.rows:
            lines += [*align([part.header, *part.rows], right=right_of(part)), ""]
        for reason in part.reasons:
            lines += _wrapped(reason)
        lines += [""] if part.reasons else []
    return "\n".join([*lines, *_wrapped(advice["caution"])]).rstrip()


def right_of(part: AdviceSection) -> list[int]:
    """Return which columns hold numbers."""
    words = ("stream", "verdict", "by", "95 %", "added", "information says", "the paper's reading")
    return [place for place, name in enumerate(part.header) if name not in words]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def advice_parts(advice: Mapping[str, Any]) -> Iterator[AdviceSection]:
    """Yield the answers to each question, the sets, and what information says."""
    streams, basis = advice["streams"], advice["basis"]
    cut = advice["questions"]["cut"]
    if basis == "ablation":
        yield _lost(advice)
        if advice["frontier"]:
            yield _frontier(advice["frontier"])
    else:
        yield AdviceSection(cut, "", reasons=tuple(_reasons(streams, "cut")))
    if any(row["says"] for row in streams):
        yield _information(advice)
    question = advice["questions"]["redesign"]
    if basis == "paper":
        yield _paper(advice, question)
    else:
        yield AdviceSection(question, "", reasons=tuple(_reasons(streams, "redesign")))


def _lost(advice: Mapping[str, Any]) -> AdviceSection:
    streams = advice["streams"]
    header = ("stream", "as it is", "lost", "by", "verdict", "parameters")
    return AdviceSection(
        advice["questions"]["cut"],
        f"In {advice['lost_unit']}, on held-out samples; tolerance {advice['tolerance']:.2g}. "
        '"Lost" is what the best net without the stream loses, mended where "by" says so.',
        header,
        tuple(_lost_cells(row) for row in streams),
        tuple(_reasons(streams, "cut")),
    )


def _lost_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    lost = row["lost"]
    is_known = lost["value"] is not None
    return (
        _name(row),
        "–" if lost["plain"] is None else f"{lost['plain']:.4f}",
        f"{lost['value']:.4f} ± {(lost['high'] - lost['low']) / 2:.4f}" if is_known else "–",
        lost["mender"],
        row["cut"]["text"],
        as_number(row["parameters"], ","),
    )


def _frontier(rows: Sequence[Sequence[str]]) -> AdviceSection:
    used = [place for place, name in enumerate(rows[0]) if name]
    chosen = [tuple(row[place] for place in used) for row in rows]
    return AdviceSection(
        "Together: nested sets, each measured as a set.", "", chosen[0], tuple(chosen[1:])
    )


def _information(advice: Mapping[str, Any]) -> AdviceSection:
    streams = advice["streams"]
    known = next((row["added"] for row in streams if row["added"]), None)
    unit = advice["unit"] if known is None else known["unit"]
    reading = "It explains, and decides nothing."
    if known is not None:
        reading = f"{reading} In {unit}: {known['reading']}."
    header = ("stream", "adds", "95 %", "null", "unique", "information says")
    rows = tuple((_name(row), *_added(row["added"]), row["says"]) for row in streams)
    return AdviceSection("Information about Y, beside the verdicts.", reading, header, rows)


def _added(added: Mapping[str, Any] | None) -> tuple[str, ...]:
    if added is None:
        return ("?", "?", "?", "?")
    return (
        f"{added['value']:.3f}",
        f"[{added['low']:.2f}, {added['high']:.2f}]",
        f"{added['null_high']:.3f}",
        as_number(added["unique"], ".3f"),
    )


def _paper(advice: Mapping[str, Any], question: str) -> AdviceSection:
    streams = advice["streams"]
    header = ("stream", "the paper's reading", "beside", "maximum", "null", "parameters")
    rows = tuple(
        (_name(row), row["redesign"]["paper"], *_before(row), as_number(row["parameters"], ","))
        for row in streams
    )
    reading = f"In {advice['unit']}: {streams[0]['redesign']['reading']}."
    return AdviceSection(question, reading, header, rows, tuple(_reasons(streams, "redesign")))


def _before(row: Mapping[str, Any]) -> tuple[str, ...]:
    before = row["before"]
    mark = " =" if before["is_saturated"] else ""
    return (
        as_number(before["value"], ".3f") + mark,
        *(as_number(before[key], ".3f") for key in ("maximum", "null_high")),
    )


def _reasons(streams: Sequence[Mapping[str, Any]], question: str) -> Iterator[str]:
    """Yield each reason once, with all the streams that it is given for."""
    given: dict[tuple[str, str], list[str]] = {}
    for row in streams:
        answer = row[question]
        given.setdefault((answer["verdict"], answer["reason"]), []).append(str(row["skip"]))
    for (verdict, reason), names in given.items():
        whose = "All streams" if len(names) == len(streams) > 1 else ", ".join(names)
        doubt = f"{verdict}: " if verdict == "cannot tell" else ""
        yield f"{whose}: {doubt}{reason}."


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['skip']} (main)" if row["is_main"] else str(row["skip"])
