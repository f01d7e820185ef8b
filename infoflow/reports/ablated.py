"""An ablation: what the net loses without each stream, and without sets of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from infoflow import plots
from infoflow.flow import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.graph.text_table import counted, listed
from infoflow.interface import InfoflowError
from infoflow.pruning import Ablation, FrontierPoint, Interval, PruningAdvice, suggest_pruning
from infoflow.pruning.advice_wording import ABLATION_CAUTION
from infoflow.reports.content import Cell, Doubt, Picture, Section, Table, Words, verdict_cell
from infoflow.reports.numerals import MISSING, number, sentence
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import numbers_of, table


def ablated(
    ablation: Ablation,
    name: str,
    gallery: Gallery,
    information: FlowResult | None = None,
    usable: UsableStreams | None = None,
) -> Section:
    """Return the section of an ablation; information stands beside its verdicts."""
    advice = _advice(ablation, information, usable)
    return Section(
        "streams",
        "What each stream is worth",
        lead=(_lead(ablation),),
        summary=(ablation.conclusion,),
        doubts=tuple(Doubt(text) for text in _doubts(ablation)),
        items=(
            _streams(ablation, advice),
            Words((ABLATION_CAUTION,)),
            *_frontier(ablation, gallery),
            *_costs(ablation),
        ),
        numbers=(numbers_of(ablation, name),),
    )


def _advice(
    ablation: Ablation, information: FlowResult | None, usable: UsableStreams | None
) -> PruningAdvice:
    try:
        return suggest_pruning(ablation, information=information, usable=usable)
    except InfoflowError:  # what was measured beside it says nothing of these streams
        return suggest_pruning(ablation)


def _lead(ablation: Ablation) -> str:
    known = ablation.dataset.attrs
    metric = f", {known['metric']} {ablation.whole_metric:.4f}" if known["metric"] else ""
    mending = f", {known['mending_samples']} mend" if known["menders"] else ""
    knows = ""
    if "known_bits" in ablation.dataset:
        knows = f" and knows {float(ablation.dataset['known_bits']):.4f}"
    return (
        f"The whole net loses {ablation.whole_bits:.4f}{knows} {ablation.unit}{metric}, on "
        f"{counted(int(known['judging_samples']), 'sample')} that judge; "
        f"{known['choosing_samples']} others choose{mending}. A stream can go where the loss "
        f"rises by less than {ablation.tolerance:.2g} {ablation.unit} without it."
    )


def _doubts(ablation: Ablation) -> Iterator[str]:
    given: dict[str, list[str]] = {}
    for row in ablation.rows:
        if row.verdict == "cannot tell":
            given.setdefault(row.reason, []).append(str(row.skip))
    shown = list(given.items())[:6]
    for reason, names in shown:
        yield f"Cannot tell of {listed(names)}: {reason}."
    if len(given) > len(shown):
        rest = sum(len(names) for names in list(given.values())[len(shown) :])
        yield f"Cannot tell of {counted(rest, 'stream')} more; the table says why."
    yield from (sentence(note) for note in ablation.notes)


def _frontier(ablation: Ablation, gallery: Gallery) -> Iterator[Picture | Table]:
    points = ablation.frontier()
    if not points:
        return
    saving: plots.pruning_frontier.Saving = (
        "parameters" if len({p.parameters for p in points}) > 1 else "streams"
    )
    yield gallery.draw(
        lambda: plots.frontier(ablation, saving=saving),
        caption="The frontier: what nested sets of streams lose together, against what they save. "
        "Filled points can go; open ones cannot, or cannot be told. Bars are 95 % intervals.",
        alt="Bits lost by each set of the frontier; the table below has the numbers.",
    )
    yield table(
        "Nested sets, each measured as a set, and what each saves. Metric: how it changes.",
        ("together", "verdict", "lost", "95 %", "by", "metric", "parameters", "added"),
        _point_rows(points),
        numbers=("together", "lost", "metric", "parameters"),
    )


def _point_rows(points: tuple[FrontierPoint, ...]) -> Iterator[tuple[Cell, ...]]:
    before: tuple[str, ...] = ()
    for point in points:
        added = [label for label in point.labels if label not in before]
        before = point.labels
        metric = None if point.metric is None else -point.metric.value
        yield (
            Cell(str(len(point.streams))),
            verdict_cell(point.verdict),
            *_interval(point.interval),
            Cell(_mender(point.mender)),
            number(metric, "+.4f"),
            number(point.parameters, ",.0f"),
            Cell(listed(added)),
        )


def _streams(ablation: Ablation, advice: PruningAdvice) -> Table:
    says = {row.skip.name: row.says for row in advice.rows}
    is_explained = any(says.values())
    header = ["stream", "verdict", "as it is", "95 %", "mended", "95 % ", "by"]
    header += ["parameters", "why", *(["information says"] if is_explained else [])]
    rows = []
    for row in ablation.rows:
        cells = [Cell(str(row.skip)), verdict_cell(row.verdict)]
        cells += [*_interval(row.plain), *_interval(row.mended), Cell(_mender(row.mender))]
        cells += [number(row.parameters, ",.0f"), Cell(row.reason)]
        rows.append([*cells, *([Cell(says.get(row.skip.name, ""))] if is_explained else [])])
    return table(
        f"What the net loses without each stream, in {ablation.unit}, as it is and mended, and the "
        "parameters that this saves.",
        tuple(header),
        rows,
        numbers=("as it is", "mended", "parameters"),
    )


def _interval(interval: Interval | None) -> tuple[Cell, Cell]:
    if interval is None:
        return Cell(MISSING), Cell(MISSING)
    ends = Cell(f"{interval.low:z.4f} to {interval.high:z.4f}", interval.value)
    return number(interval.value, ".4f"), ends


def _mender(name: str) -> str:
    return {"plain": "as it is", "reader": "readers refitted", "cascade": "cascade"}.get(name, name)


def _costs(ablation: Ablation) -> Iterator[Words]:
    costs = {
        key.removeprefix("cost_").replace("_", " "): float(value)
        for key, value in ablation.dataset.attrs.items()
        if key.startswith("cost_") and math.isfinite(float(value))
    }
    if costs:
        lines = tuple(f"{stage}: {cost:.3g} forward passes" for stage, cost in costs.items())
        yield Words(lines, folded="What it cost to measure")
