"""An ablation as text and as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infoflow.graph.text_table import align
from infoflow.pruning.ablation.bounds import Interval
from infoflow.pruning.ablation.metric_loss import MetricLoss
from infoflow.pruning.ablation.stream_rows import FrontierPoint, StreamLoss

if TYPE_CHECKING:
    from infoflow.pruning.ablation.ablation_result import Ablation

#: Names in a sentence; more are counted.
_NAMED = 8
#: How metrics are written in a sentence.
_METRICS = {"dice": "Dice", "iou": "IoU", "psnr": "PSNR"}


def conclusion(ablation: Ablation) -> str:
    """Return what can go together, at what cost, and what must stay."""
    if ablation.ignorance:
        return (
            f"Cannot tell what can go: {ablation.ignorance}. Train it first, or pass the labels "
            "that it was trained for."
        )
    sentences = [_can_go(ablation)]
    kept = [str(row.skip) for row in ablation.rows if row.verdict == "keep"]
    if kept:
        sentences.append(f"Must stay: {_named(kept)}.")
    doubtful = [row for row in ablation.rows if row.verdict == "cannot tell"]
    if doubtful:
        names = _named([str(row.skip) for row in doubtful])
        sentences.append(f"Cannot tell: {names}{_more_samples(doubtful)}.")
    return " ".join(sentences)


def _more_samples(rows: Sequence[StreamLoss]) -> str:
    """Return how many more samples would tell of all of these; nothing where that is not known."""
    known = [row.more_samples for row in rows if row.more_samples is not None]
    if len(known) < len(rows):
        return ""
    return f" (about {max(known):,} more judging samples would tell)"


def _can_go(ablation: Ablation) -> str:
    point = ablation.chosen
    if point is not None:
        start = f"Can go{' together' * (len(point.streams) > 1)}{_mended(point.mender)}"
        return f"{start}: {_named(point.labels)} ({_price(ablation, point)})."
    alone = [row for row in ablation.rows if row.verdict == "prune"]
    if not alone:
        return f"Nothing is shown to go within {ablation.tolerance:.2g} {_unit(ablation)}."
    best = ablation[ablation.cuttable[0]]
    others = [str(row.skip) for row in alone if row is not best]
    either = f" Each of these can go alone, too: {_named(others)}."
    first = f"Can go{_mended(best.mender)}: {best.skip} ({_price(ablation, best)})."
    return first + (either if others else "")


def _mended(mender: str) -> str:
    return "" if mender in ("", "plain") else ", mended"


def _price(ablation: Ablation, row: StreamLoss | FrontierPoint) -> str:
    """Return the bits, the metric and the parameters of what can go."""
    bits = row.interval if isinstance(row, FrontierPoint) else row.best
    assert bits is not None
    half = (bits.high - bits.low) / 2
    facts = [f"{_signed(bits.value, '')} ± {half:.4f} {_unit(ablation)}"]
    if row.metric is not None:
        name = str(ablation.dataset.attrs["metric"])
        facts.append(f"{_METRICS.get(name, name)} {_signed(-row.metric.value, '+')}")
    share = _share(row.parameters, sum(layer.parameters for layer in ablation.graph))
    saved = f"; {share} of the parameters" if share else ""
    return ", ".join(facts) + saved


def _unit(ablation: Ablation) -> str:
    """Return the unit as it is said: bits a pixel."""
    return ablation.unit.replace(" per ", " a ")


def _signed(value: float, plus: str) -> str:
    return f"{round(value, 4) + 0.0:{plus}.4f}".replace("-", "−")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")


def _share(saved: float, whole: float) -> str:
    return "" if math.isnan(saved) or not whole else f"{100 * saved / whole:.0f} %"


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
    knows = ""
    if "known_bits" in ablation.dataset:
        knows = f" and knows {float(ablation.dataset['known_bits']):.4f}"
    return (
        f"{known['model']}: the whole net loses {ablation.whole_bits:.4f}{knows} {ablation.unit}"
        f"{metric}; "
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
