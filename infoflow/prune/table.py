"""Pruning advice as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infoflow.graph.table import align


def advice_table(advice: Mapping[str, Any]) -> str:
    """Return the question, one line per skip connection, the reasons, and the caution."""
    if not advice["streams"]:
        return (
            f"{advice['model']} has no skip connections: streams never merge, so there is nothing "
            "to prune."
        )
    unit = advice["unit"]
    header = (
        *("skip", "verdict", f"before ({unit})", f"maximum ({unit})", f"gap ({unit})"),
        *("saves parameters", "mult-adds"),
    )
    rows = [header, *(_row(row) for row in advice["streams"])]
    reasons = [f"{row['skip']}: {row['reason']}." for row in advice["streams"]]
    if any(row["is_saturated"] for row in advice["streams"]):
        reasons.append("= saturated: above 95 % of the ceiling.")
    return "\n".join(
        [
            advice["question"],
            "",
            *align(rows, right=range(2, 7)),
            "",
            *reasons,
            "",
            advice["caution"],
        ]
    )


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    verdict = row["verdict"]
    if verdict == "prune if trained to epoch":
        verdict = f"{verdict} {row['closed_at']}"
    return (
        row["skip"],
        verdict,
        _number(row["before"], ".3f") + (" =" if row["is_saturated"] else ""),
        *(_number(row[key], ".3f") for key in ("maximum", "gap")),
        *(_number(row[key], ",") for key in ("parameters", "multiply_adds")),
    )


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
