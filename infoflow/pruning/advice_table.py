"""Pruning advice as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infoflow.graph.text_table import align, as_number


@dataclass(frozen=True)
class AdviceSection:
    """One of the two questions, with a row for each stream, and why.

    Parameters
    ----------
    question, reading
        What was asked, and what the answers rest on.
    header, rows
        The table.
    reasons
        Why, each reason once.
    """

    question: str
    reading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]


def advice_table(advice: Mapping[str, Any]) -> str:
    """Return a table for each question, with its reasons, and the caution."""
    streams = advice["streams"]
    if not streams:
        return (
            f"{advice['model']} has no skip connections: streams never merge, so there is nothing "
            "to prune."
        )
    lines: list[str] = []
    for part in advice_parts(advice):
        lines += [
            part.question,
            f"Rests on {part.reading}.",
            "",
            *align([part.header, *part.rows], right=range(2, len(part.header))),
            "",
            *part.reasons,
            "",
        ]
    if any(_is_saturated(row) for row in streams):
        lines += ["= saturated: above 95 % of the ceiling.", ""]
    return "\n".join([*lines, advice["caution"]])


def advice_parts(advice: Mapping[str, Any]) -> Iterator[AdviceSection]:
    """Yield the answers to each question."""
    streams = advice["streams"]
    unit = advice["unit"]
    beside = (f"beside ({unit})", f"maximum ({unit})", f"gap ({unit})", "null")
    redesign = ("stream", "verdict", *beside)
    added = next((row["added"]["unit"] for row in streams if row["added"]), unit)
    cut = ("stream", "verdict", f"adds ({added})", "95 %", "null")
    for name, header, cells in (("redesign", redesign, _before), ("cut", cut, _added)):
        yield AdviceSection(
            advice["questions"][name],
            _reading(streams, name),
            (*header, "saves parameters", "mult-adds"),
            tuple((_name(r), r[name]["text"], *cells(r), *_saved(r)) for r in streams),
            tuple(_reasons(streams, name)),
        )


def _reading(streams: Sequence[Mapping[str, Any]], question: str) -> str:
    """Return what the answers rest on: of several readings that of streams with numbers."""
    numbers = "before" if question == "redesign" else "added"
    known = [row[question]["reading"] for row in streams if row[numbers]]
    return str((known or [streams[0][question]["reading"]])[0])


def _reasons(streams: Sequence[Mapping[str, Any]], question: str) -> Iterator[str]:
    """Yield each reason once, with all the streams that it is given for."""
    given: dict[str, list[str]] = {}
    for row in streams:
        given.setdefault(row[question]["reason"], []).append(str(row["skip"]))
    for reason, names in given.items():
        yield f"{', '.join(names)}: {reason}."


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['skip']} (main)" if row["is_main"] else str(row["skip"])


def _is_saturated(row: Mapping[str, Any]) -> bool:
    return bool(row["before"]["is_saturated"] or (row["added"] or {}).get("is_saturated"))


def _before(row: Mapping[str, Any]) -> tuple[str, ...]:
    before = row["before"]
    mark = " =" if before["is_saturated"] else ""
    return (
        as_number(before["value"], ".3f") + mark,
        *(as_number(before[key], ".3f") for key in ("maximum", "gap", "null_high")),
    )


def _added(row: Mapping[str, Any]) -> tuple[str, ...]:
    added = row["added"]
    if added is None:
        return ("?", "?", "?")
    mark = " =" if added["is_saturated"] else ""
    return (
        f"{added['value']:.3f}{mark}",
        f"[{added['low']:.2f}, {added['high']:.2f}]",
        f"{added['null_high']:.3f}",
    )


def _saved(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(as_number(row[key], ",") for key in ("parameters", "multiply_adds"))
