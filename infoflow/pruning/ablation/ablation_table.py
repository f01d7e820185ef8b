"""An ablation as text and as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence

import xarray as xr

from infoflow.graph.net_result import NetResult
from infoflow.graph.text_table import align, listed
from infoflow.interface import Merge
from infoflow.pruning.ablation.bounds import Interval
from infoflow.pruning.ablation.judging import about
from infoflow.pruning.ablation.metric_loss import MetricLoss
from infoflow.pruning.ablation.stream_rows import FrontierPoint, StreamLoss, ignorance, is_saving

#: How metrics are written in a sentence.
_METRICS = {"dice": "Dice", "iou": "IoU", "psnr": "PSNR"}


def conclusion(
    result: NetResult, rows: Sequence[StreamLoss], best: StreamLoss | FrontierPoint | None
) -> str:
    """Return what can go together, at what cost, and what must stay.

    Parameters
    ----------
    result
        The ablation.
    rows
        What is lost without each stream.
    best
        What can go: a set, one stream, or nothing.
    """
    why = ignorance(result.dataset)
    if why:
        return (
            f"Cannot tell what can go: {why}. Train it first, or pass the labels that it was "
            "trained for."
        )
    sentences = [_can_go(result, rows, best)]
    if _gains(result, best):
        sentences.append(
            "The net does better without, so check the whole net first: see the notes."
        )
    kept = [str(row.skip) for row in rows if row.verdict == "keep"]
    if kept:
        sentences.append(f"Must stay: {listed(kept)}.")
    doubtful = [row for row in rows if row.verdict == "cannot tell"]
    if doubtful:
        sentences.append(f"Cannot tell: {listed([_doubtful(row) for row in doubtful])}.")
    return " ".join(sentences)


def _gains(result: NetResult, best: StreamLoss | FrontierPoint | None) -> bool:
    """Tell whether the net is shown to do better without, by more than the tolerance."""
    if best is None:
        return False
    bits = best.interval if isinstance(best, FrontierPoint) else best.best
    return bits is not None and bits.high < -float(result.dataset["tolerance"])


def _doubtful(row: StreamLoss) -> str:
    """Return a stream, with how many more samples would tell where that is known."""
    more = (
        ""
        if row.more_samples is None
        else f" ({about(row.more_samples)} more judging samples would tell)"
    )
    return f"{row.skip}{more}"


def _can_go(
    result: NetResult, rows: Sequence[StreamLoss], best: StreamLoss | FrontierPoint | None
) -> str:
    if best is None:
        tolerance = float(result.dataset["tolerance"])
        return f"Nothing is shown to go within {tolerance:.2g} {_unit(result)}."
    prunable = [
        row
        for row in rows
        if row.verdict == "prune" and is_saving(row.parameters, row.multiply_adds)
    ]
    if isinstance(best, FrontierPoint):
        start = f"Can go{' together' * (len(best.streams) > 1)}{_mended(best.mender)}"
        emptied = {m.name for m in result.graph.merges if _is_emptied(m, best.streams)}
        left = [row.skip for row in prunable if row.skip.name not in best.streams]
        others = [str(skip) for skip in left if skip.merge not in emptied]
        alone = f" Alone, and not shown to go with these: {listed(others)}." if others else ""
        return f"{start}: {listed(best.labels)} ({_price(result, best)}).{alone}"
    others = [str(row.skip) for row in prunable if row is not best]
    either = f" Each of these can go alone, too: {listed(others)}."
    first = f"Can go{_mended(best.mender)}: {best.skip} ({_price(result, best)})."
    return first + (either if others else "")


def _is_emptied(merge: Merge, gone: Sequence[str]) -> bool:
    """Tell whether a merge has one stream left, which has to stay."""
    return sum(f"{source}->{merge.name}" not in gone for source in merge.streams) < 2


def _mended(mender: str) -> str:
    return "" if mender in ("", "plain") else ", mended"


def _price(result: NetResult, row: StreamLoss | FrontierPoint) -> str:
    """Return the bits, the metric and the parameters of what can go."""
    bits = row.interval if isinstance(row, FrontierPoint) else row.best
    assert bits is not None
    half = (bits.high - bits.low) / 2
    facts = [f"{_signed(bits.value, '')} ± {half:.4f} {_unit(result)}"]
    if row.metric is not None:
        name = str(result.dataset.attrs["metric"])
        facts.append(f"{_METRICS.get(name, name)} {_signed(-row.metric.value, '+')}")
    share = _share(row.parameters, _whole_parameters(result))
    saved = f"; {share} of the parameters" if share else ""
    return ", ".join(facts) + saved


def _whole_parameters(result: NetResult) -> float:
    """Return how many parameters the whole net has; files of old versions count those of layers."""
    if "whole_parameters" in result.dataset:
        return float(result.dataset["whole_parameters"])
    return sum(layer.parameters for layer in result.graph)


def _unit(result: NetResult) -> str:
    """Return the unit as it is said: bits a pixel."""
    return str(result.dataset.attrs["unit"]).replace(" per ", " a ")


def _signed(value: float, plus: str) -> str:
    return f"{round(value, 4) + 0.0:{plus}.4f}".replace("-", "−")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")


def _share(saved: float, whole: float) -> str:
    return "" if math.isnan(saved) or not whole else f"{100 * saved / whole:.0f} %"


def ablation_table(
    dataset: xr.Dataset,
    rows: Sequence[StreamLoss],
    points: Sequence[FrontierPoint],
    said: Sequence[str],
) -> str:
    """Return a title, the conclusion, a line for each stream, and the frontier.

    ``said`` are the conclusion and the notes.
    """
    first, *notes = said
    lines = [_title(dataset), first, "", *align(_cells(rows), right=(1, 2, 5, 6))]
    sets = frontier_rows(points, dataset.attrs["metric"], is_brief=False)
    if sets:
        lines += ["", *align(sets, right=(0, 1, 4, 5))]
    return "\n".join([*lines, "", *_costs(dataset), *notes])


def _costs(dataset: xr.Dataset) -> list[str]:
    """Say how long it took, beside a pass of the whole net over the samples."""
    costs = {
        name.removeprefix("cost_"): float(value)
        for name, value in dataset.attrs.items()
        if name.startswith("cost_")
    }
    if not costs:
        return []
    stages = ", ".join(f"{stage} {cost:.3g}" for stage, cost in costs.items())
    return [f"It took as long as {sum(costs.values()):.3g} forward passes ({stages})."]


def _title(dataset: xr.Dataset) -> str:
    known = dataset.attrs
    numbers = ("whole_bits", "whole_metric", "known_bits", "tolerance")
    number = {name: float(dataset[name]) for name in numbers if name in dataset}
    metric = f", {known['metric']} {number['whole_metric']:.4f}" if known["metric"] else ""
    mended = f", {known['mending_samples']} samples mend" if known["menders"] else ""
    knows = f" and knows {number['known_bits']:.4f}" if "known_bits" in number else ""
    return (
        f"{known['model']}: the whole net loses {number['whole_bits']:.4f}{knows} {known['unit']}"
        f"{metric}; "
        f"{known['judging_samples']} samples judge, {known['choosing_samples']} choose{mended}; "
        f"tolerance {number['tolerance']:.2g}"
    )


def _cells(rows: Sequence[StreamLoss]) -> list[tuple[str, ...]]:
    saved = ("parameters", "multiply-adds")
    header = ("stream", "as it is", "mended", "by", "verdict", *saved, "why")
    return [
        header,
        *(
            (
                *(str(row.skip), _interval(row.plain), _interval(row.mended)),
                *(row.mender, row.verdict, *_savings(row), row.reason),
            )
            for row in rows
        ),
    ]


def frontier_rows(
    points: Sequence[FrontierPoint], metric: str, *, is_brief: bool = True
) -> list[list[str]]:
    """Return a header and a row of texts for each set of the frontier; nothing without sets.

    Brief rows fit into 80 columns: half the interval beside the bits, and two names at most.
    """
    lost = "lost" if is_brief else "bits lost"
    saved = ["parameters"] if is_brief else ["parameters", "multiply-adds"]
    header = ["together", lost, "by", "verdict", *saved, metric, "added"]
    rows, before = [], frozenset[str]()
    for point in points:
        added = [name for name in point.labels if name not in before]
        before = frozenset(point.labels)
        half = (point.high - point.low) / 2
        rows.append(
            [
                str(len(point.streams)),
                f"{point.bits:.4f} ± {half:.4f}" if is_brief else _interval(point.interval),
                *(point.mender, point.verdict, *_savings(point)[: len(saved)]),
                *(_metric(point.metric), _few(added) if is_brief else listed(added)),
            ]
        )
    return [header, *rows] if rows else []


def _savings(row: StreamLoss | FrontierPoint) -> tuple[str, ...]:
    """Return the parameters and multiply-adds that go."""
    return _number(row.parameters), _number(row.multiply_adds)


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def _metric(lost: MetricLoss | None) -> str:
    return "" if lost is None else f"{-lost.value:+.4f}"


def _number(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:,.0f}"
