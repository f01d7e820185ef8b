"""An ablation as text and as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infoflow.graph.text_table import align
from infoflow.pruning.ablation.bounds import Interval
from infoflow.pruning.ablation.metric_loss import MetricLoss
from infoflow.pruning.ablation.stream_rows import FrontierPoint

if TYPE_CHECKING:
    from infoflow.pruning.ablation.ablation_result import Ablation

#: Names in a sentence; more are counted.
_NAMED = 8


def conclusion(ablation: Ablation) -> str:
    """Return what can go together, at what cost, and what must stay."""
    sentences = [_can_go(ablation)]
    kept = [str(row.skip) for row in ablation.rows if row.verdict == "keep"]
    if kept:
        sentences.append(f"Must stay: {_named(kept)}.")
    open_rows = [row for row in ablation.rows if row.verdict == "cannot tell"]
    if open_rows:
        sentences.append(f"Cannot tell: {_named([str(row.skip) for row in open_rows])}.")
    return " ".join(sentences)


def _can_go(ablation: Ablation) -> str:
    point = ablation.chosen
    if point is None:
        return f"Nothing can go within {ablation.tolerance:.2g} {ablation.unit}."
    how = ", mended" if point.mender != "plain" else ""
    half = (point.high - point.low) / 2
    facts = [f"{point.bits:.4f} ± {half:.4f} {ablation.unit}"]
    if point.metric is not None:
        facts.append(f"{ablation.dataset.attrs['metric']} {-point.metric.value:+.4f}")
    share = _share(point.parameters, sum(layer.parameters for layer in ablation.graph))
    saved = f"; {share} of the parameters" if share else ""
    names = _named(point.labels)
    return f"Can go together{how}: {names} ({', '.join(facts)}{saved})."


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")


def _share(saved: float, whole: float) -> str:
    return "" if math.isnan(saved) or not whole else f"{saved / whole:.0%}"


def ablation_table(ablation: Ablation) -> str:
    """Return a title, the conclusion, a line for each stream, and the frontier."""
    lines = [_title(ablation), ablation.conclusion, "", *align(_cells(ablation), right=(1, 2, 5))]
    points = ablation.frontier()
    if points:
        lines += ["", *align(_point_cells(ablation, points), right=(0, 1, 4))]
    return "\n".join([*lines, *(["", *ablation.notes] if ablation.notes else [])])


def _title(ablation: Ablation) -> str:
    known = ablation.dataset.attrs
    metric = ""
    if known["metric"]:
        metric = f", {known['metric']} {ablation.whole_metric:.4f}"
    mended = f", {known['mending_samples']} samples mend" if known["menders"] else ""
    return (
        f"{known['model']}: the whole net loses {ablation.whole_bits:.4f} {ablation.unit}{metric}; "
        f"{known['judging_samples']} samples judge, {known['choosing_samples']} choose{mended}; "
        f"tolerance {ablation.tolerance:.2g}"
    )


def _cells(ablation: Ablation) -> list[tuple[str, ...]]:
    header = ["stream", "as it is", "mended", "by", "verdict", "parameters", "why"]
    rows = [
        (
            str(row.skip),
            _interval(row.plain),
            _interval(row.mended),
            row.mender,
            row.verdict,
            _number(row.parameters),
            row.reason,
        )
        for row in ablation.rows
    ]
    return [tuple(header), *rows]


def _point_cells(ablation: Ablation, points: Sequence[FrontierPoint]) -> list[tuple[str, ...]]:
    metric = str(ablation.dataset.attrs["metric"])
    header = ("together", "bits lost", "by", "verdict", "parameters", metric or "", "added")
    rows = []
    before: tuple[str, ...] = ()
    for point in points:
        added = [name for name in point.labels if name not in before]
        before = point.labels
        rows.append(
            (
                str(len(point.streams)),
                _interval(point.interval),
                point.mender,
                point.verdict,
                _number(point.parameters),
                _metric(point.metric),
                _named(added),
            )
        )
    return [header, *rows]


def frontier_rows(ablation: Ablation) -> list[list[str]]:
    """Return a header and a row of texts for each set of the frontier; nothing without sets."""
    points = ablation.frontier()
    metric = str(ablation.dataset.attrs["metric"])
    header = ["together", "lost", "by", "verdict", "parameters", metric, "added"]
    rows, before = [], frozenset[str]()
    for point in points:
        added = [name for name in point.labels if name not in before]
        before = frozenset(point.labels)
        rows.append(
            [
                str(len(point.streams)),
                f"{point.bits:.4f} ± {(point.high - point.low) / 2:.4f}",
                *(point.mender, point.verdict, _number(point.parameters)),
                *(_metric(point.metric), _few(added)),
            ]
        )
    return [header, *rows] if rows else []


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def _metric(lost: MetricLoss | None) -> str:
    return "" if lost is None else f"{-lost.value:+.4f}"


def _number(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:,.0f}"
