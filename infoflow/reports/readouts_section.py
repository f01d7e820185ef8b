"""Probes, usable bits and audits."""

from __future__ import annotations

from infoflow import plots
from infoflow.flow.audit import MEANINGS, Audit
from infoflow.flow.probe_result import ProbeResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.graph.text_table import counted, listed
from infoflow.reports.content import Cell, Doubt, Section, Table, Words
from infoflow.reports.numerals import between, number, sentence
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import numbers_of, table

_METRICS = {"dice": "Dice", "iou": "IoU", "accuracy": "accuracy"}


def probes(result: ProbeResult, name: str, gallery: Gallery) -> Section:
    """Return the section of linear read-outs."""
    metric = result.metrics[0]
    values = result.dataset[metric].values
    best = int(values.argmax())
    chance = float(result.dataset[f"{metric}_chance"])
    weak = [layer for layer, value in zip(result.layers, values, strict=True) if not value > chance]
    word = _METRICS[metric]
    doubts = [f"{listed(weak, 5)}: the read-out is no better than the most frequent class."]
    return Section(
        "probes",
        "Linear read-outs",
        lead=(sentence(str(result.dataset.attrs["kind"])),),
        summary=(
            f"A linear read-out does best from {result.layers[best]}, {word} {values[best]:.3f}; "
            f"the most frequent class alone has {chance:.3f}.",
        ),
        doubts=tuple(Doubt(text) for text in doubts) if weak else (),
        items=(
            gallery.draw(
                lambda: plots.probes(result),
                caption="How well a linear read-out of each layer does on samples that it has not "
                "seen. Bands are one standard deviation of the folds, dashed lines the most "
                "frequent class.",
                alt=f"{word} of the read-out of each layer; the table below has the numbers.",
            ),
            _probe_table(result),
        ),
        numbers=(numbers_of(result, name),),
    )


def _probe_table(result: ProbeResult) -> Table:
    metrics = result.metrics
    header = ["", "layer", "features"]
    for metric in metrics:
        header += [_METRICS[metric], f"± sd {_METRICS[metric]}"]
    rows = []
    for place, layer in enumerate(result.layers):
        one = result.dataset.isel(layer=place)
        cells = [Cell(str(int(one["index"]))), Cell(layer), number(float(one["features"]), ",.0f")]
        for metric in metrics:
            cells += [number(float(one[metric])), number(float(one[f"{metric}_sd"]))]
        rows.append(cells)
    numbers = tuple(title for title in header if title != "layer")
    return table("The read-out of each layer.", tuple(header), rows, numbers=numbers)


def usable(result: UsableStreams, name: str, gallery: Gallery) -> Section:
    """Return the section of usable information."""
    first = result.rows[0].joint
    unclear = [f"{r.source} into {r.merge}" for r in result.rows if r.added.ci_low <= 0]
    rows = [
        (
            Cell(row.merge),
            Cell(row.source),
            Cell("main" if row.is_main else "skip"),
            *(number(part.value) for part in (row.alone, row.rest, row.joint, row.added)),
            between(row.added.ci_low, row.added.ci_high, ".3f"),
        )
        for row in result.rows
    ]
    most = max(result.rows, key=lambda row: row.added.value)
    return Section(
        "usable",
        "Usable information",
        lead=(
            f"{sentence(first.kind)} {counted(first.samples, 'sample')}, in {result.unit}; Y has "
            f"{first.entropy:.3f}. It explains, and decides nothing.",
        ),
        summary=(
            f"The stream that adds most to the others is {most.source} into {most.merge}: "
            f"{most.added.value:.3f} {result.unit}, of {first.entropy:.3f}.",
        ),
        doubts=(Doubt(f"What these add may be nothing: {listed(unclear, 5)}."),) if unclear else (),
        items=(
            table(
                "Held-out information of small probes: of a stream alone, of the rest, of all "
                "jointly, and what the stream adds, with its 95 % interval.",
                ("merge", "stream", "role", "alone", "rest", "joint", "added", "95 %"),
                rows,
                numbers=("alone", "rest", "joint", "added"),
            ),
        ),
        numbers=(numbers_of(result, name),),
    )


def audit(result: Audit, name: str, gallery: Gallery) -> Section:
    """Return the section of an audit."""
    count = len(result.violations)
    pairs = len(result) - result.count("merge")
    return Section(
        "audit",
        "Data processing inequality",
        lead=(
            "What a layer knows, the layers that every path to it goes through must know, too. "
            f"Epoch {result.epoch}.",
        ),
        summary=(
            f"Of {counted(pairs, 'pair')} of a layer and one before it, {count} break the data "
            "processing inequality.",
        ),
        items=(audit_table(result),) if count else (Words(("No estimate breaks it.",)),),
        numbers=(numbers_of(result, name),),
    )


def audit_table(found: Audit, folded: str = "") -> Table:
    """Return the largest rise to each layer, with what it means."""
    largest = {}
    for row in sorted(found.violations, key=lambda row: row.rise):
        largest[row.quantity, row.layer] = row
    rows = [
        (
            Cell(row.quantity),
            Cell(f"{row.before_index}→{row.layer_index}", float(row.layer_index)),
            *(number(value) for value in (row.before_value, row.value, row.rise)),
            Cell(row.finding),
        )
        for row in sorted(largest.values(), key=lambda row: (row.quantity, row.layer_index))
    ]
    used = dict.fromkeys(row.finding for row in found.violations)
    meanings = " ".join(sentence(f"{finding}: {MEANINGS[finding]}") for finding in used)
    return table(
        f"The largest rise to each layer where none may be, in {found.unit}. {meanings}",
        ("quantity", "layers", "before", "after", "rise", "finding"),
        rows,
        numbers=("before", "after", "rise"),
        folded=folded,
    )
