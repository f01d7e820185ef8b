"""Pruning advice as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infoflow.graph.table import align


def advice_table(advice: Mapping[str, Any]) -> str:
    """Return a table for each question, with its reasons, and the caution."""
    streams = advice["streams"]
    if not streams:
        return (
            f"{advice['model']} has no skip connections: streams never merge, so there is nothing "
            "to prune."
        )
    unit = advice["unit"]
    redesign = ("skip", "verdict", f"before ({unit})", f"maximum ({unit})", f"gap ({unit})")
    added = next((row["added"]["unit"] for row in streams if row["added"]), unit)
    cut = ("skip", "verdict", f"adds ({added})", "95 %", "null")
    saved = [_saved(row) for row in streams]
    parts = []
    for name, header, cells in (("redesign", redesign, _before), ("cut", cut, _added)):
        rows = [(row["skip"], row[name]["text"], *cells(row)) for row in streams]
        whole = [r + s for r, s in zip(rows, saved, strict=True)]
        parts += [
            advice["questions"][name],
            f"Rests on {streams[0][name]['reading']}.",
            "",
            *align([(*header, "saves parameters", "mult-adds"), *whole], right=range(2, 7)),
            "",
            *(f"{row['skip']}: {row[name]['reason']}." for row in streams),
            "",
        ]
    if any(_is_saturated(row) for row in streams):
        parts += ["= saturated: above 95 % of the ceiling.", ""]
    return "\n".join([*parts, advice["caution"]])


def _is_saturated(row: Mapping[str, Any]) -> bool:
    return bool(row["before"]["is_saturated"] or (row["added"] or {}).get("is_saturated"))


def _before(row: Mapping[str, Any]) -> tuple[str, ...]:
    before = row["before"]
    mark = " =" if before["is_saturated"] else ""
    return (
        _number(before["value"], ".3f") + mark,
        *(_number(before[key], ".3f") for key in ("maximum", "gap")),
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
    return tuple(_number(row[key], ",") for key in ("parameters", "multiply_adds"))


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
