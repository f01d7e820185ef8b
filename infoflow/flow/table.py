"""A result as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infoflow.graph.table import align


def result_table(result: Mapping[str, Any], epochs: Sequence[int]) -> str:
    """Return what one epoch of :meth:`FlowResult.to_dict` says, one line per layer."""
    has_target = result["iym_ceiling"] is not None
    header = ["", "layer", "I(X;M)", "", *(["I(Y;M)", ""] if has_target else [])]
    rows = [header, *(_row(row, has_target) for row in result["layers"])]
    lines = [*_title(result, epochs, has_target), "", *align(rows, right=(0, 2, 4))]
    if any("=" in row[column] for row in rows[1:] for column in range(3, len(row), 2)):
        lines += [
            "",
            "= saturated: above 95 % of the ceiling, so it says more of N than of the net",
        ]
    return "\n".join(lines)


def _row(row: Mapping[str, Any], has_target: bool) -> list[str]:
    cells = [str(row["index"]), row["layer"], _number(row["ixm"]), _flag(row["ixm_saturated"])]
    if has_target:
        cells += [_number(row["iym"]), _flag(row["iym_saturated"])]
    return cells


def _number(value: float | None) -> str:
    """Return a number as text; ``?`` for what the estimator cannot say."""
    return "?" if value is None else f"{value:.3f}"


def _flag(saturated: int) -> str:
    return "=" if saturated else ""


def _title(result: Mapping[str, Any], epochs: Sequence[int], has_target: bool) -> list[str]:
    unit = result["unit"]
    epoch = f", epoch {result['epoch']} ({len(epochs)} measured)" if len(epochs) > 1 else ""
    lines = [
        f"{result['model']}, {result['samples']} samples{epoch}, in {unit}",
        f"Estimate: {result['kind']}",
        f"Ceiling of I(X;M): log N = {result['ixm_ceiling']:.3f}",
    ]
    if has_target:
        lines += [
            f"Ceiling of I(Y;M): min(log N, H(Y)) = {result['iym_ceiling']:.3f}",
            f"Y: {result['target']}, {result['singleton_classes']} of them with one sample only",
        ]
    return lines
