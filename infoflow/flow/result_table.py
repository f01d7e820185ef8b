"""A result as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infoflow.graph.text_table import align


def result_table(result: Mapping[str, Any], epochs: Sequence[int], counts: str) -> str:
    """Return what one epoch of :meth:`FlowResult.to_dict` says, one line per layer."""
    has_target = result["iym_ceiling"] is not None
    doubt = "bounds" if _is_drawn(result) else "95 %"
    header = ["", "layer", "I(X;M)", doubt, ""]
    header += ["I(Y;M)", doubt, "null", ""] if has_target else []
    rows = [header, *(_row(row, has_target) for row in result["layers"])]
    lines = [*_title(result, epochs, counts, has_target), "", *align(rows, right=(0, 2, 5, 7))]
    return "\n".join([*lines, *_foot(result, has_target)])


def _is_drawn(result: Mapping[str, Any]) -> bool:
    """Tell whether the doubt is that of random draws, for the same samples."""
    return any(
        row.get("ixm_standard_error") is not None and row["ixm_ci_low"] is None
        for row in result["layers"]
    )


def _row(row: Mapping[str, Any], has_target: bool) -> list[str]:
    cells = [str(row["index"]), row["layer"]]
    cells += [_number(row["ixm"], 3), _interval(row, "ixm"), _flag(row["ixm_saturated"])]
    if has_target:
        cells += [_number(row["iym"], 3), _interval(row, "iym"), _number(row["iym_null_high"], 3)]
        cells += [_mark(row)]
    return cells


def _number(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:.{digits}f}"


def _interval(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_ci_low"], row[f"{name}_ci_high"]
    error = row.get(f"{name}_standard_error")
    if low is None and error is not None:
        return f"[{row[f'{name}_lower']:.2f}, {row[f'{name}_upper']:.2f}] ± {error:.2f}"
    return "" if low is None else f"[{low:.2f}, {high:.2f}]"


def _flag(saturated: int) -> str:
    return "=" if saturated else ""


def _mark(row: Mapping[str, Any]) -> str:
    """Return a mark for saturation, for classes that are told apart, and for chance."""
    if row["iym_saturated"]:
        return "="
    if row.get("iym_separated"):
        return "+"
    value, null = row["iym"], row["iym_null_high"]
    return "~" if value is not None and null is not None and value <= null else ""


def _title(
    result: Mapping[str, Any], epochs: Sequence[int], counts: str, has_target: bool
) -> list[str]:
    unit = result["unit"]
    epoch = f", {counts} {result['epoch']} ({len(epochs)} measured)" if len(epochs) > 1 else ""
    lines = [
        f"{result['model']}, {result['samples']} samples{epoch}, in {unit}",
        f"Estimate: {result['kind']}",
        f"Ceiling of I(X;M): log N = {result['ixm_ceiling']:.3f}",
    ]
    if result["capture"] != "exact":
        names = ("ixm_sketch_error", "iym_sketch_error")
        most = max(row[name] or 0.0 for row in result["layers"] for name in names)
        off = f", off by up to about {most:.2g} {unit}" if most else ""
        lines.insert(2, f"Distances: {result['capture']}{off}")
    if has_target:
        lines += [
            f"Ceiling of I(Y;M): min(log N, H(Y)) = {result['iym_ceiling']:.3f}",
            f"Y: {result['target']}{_single(result['singleton_classes'])}",
        ]
    return lines


def _single(count: int) -> str:
    return f", {count} of them with one sample only" if count else ""


def _standard_errors(row: Mapping[str, Any]) -> list[float]:
    found = (row.get(f"{name}_standard_error") for name in ("ixm", "iym"))
    return [error for error in found if error is not None]


def _foot(result: Mapping[str, Any], has_target: bool) -> list[str]:
    """Explain the columns that are there, and say where a sweep changes the order of the layers."""
    rows = result["layers"]
    lines = []
    if any(row["ixm_ci_low"] is not None for row in rows):
        lines.append("95 %: interval of the estimate's mean over other data sets of this size.")
    if _is_drawn(result):
        lines.append("bounds: on the noisy net's own information; ±: standard error of the draws.")
    elif errors := [e for row in rows for e in _standard_errors(row)]:
        lines.append(f"The choice of rows: a standard error of up to {max(errors):.2g}, included.")
    if has_target and any(row["iym_null_high"] is not None for row in rows):
        lines.append("null: 95 % quantile of I(Y;M) when the classes are shuffled.")
    if any(row["ixm_saturated"] or row["iym_saturated"] for row in rows):
        lines.append("= saturated: above 95 % of the ceiling, so it says more of N than of the net")
    if has_target and any(_mark(row) == "~" for row in rows):
        lines.append("~ I(Y;M) is no more than shuffled classes give")
    if any(row.get("iym_separated") for row in rows):
        lines.append(
            "+ separated: above 95 % of the ceiling, and shuffled classes are not: the classes are "
            "told apart; an untrained net may do that, too"
        )
    for doubt in dict.fromkeys(row["doubt"] for row in rows if row["doubt"]):
        named = [row["layer"] for row in rows if row["doubt"] == doubt]
        lines.append(f"{', '.join(named)}: {doubt}")
    for quantity, changes in result["order_changes"].items():
        symbol = {"ixm": "I(X;M)", "iym": "I(Y;M)"}[quantity]
        lines += [f"{symbol}, {change}" for change in changes]
    return ["", *lines] if lines else []
