"""A measured result: what each layer knows, at one epoch or over a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infoflow import plots
from infoflow.flow import FlowResult
from infoflow.flow.audit import MEANINGS
from infoflow.graph.text_table import counted, listed
from infoflow.interface import InfoflowError
from infoflow.pruning import suggest_pruning
from infoflow.pruning.advice_wording import RECORD
from infoflow.reports.content import Cell, Doubt, Picture, Section, Table, Words
from infoflow.reports.numerals import between, number
from infoflow.reports.pictures import Gallery
from infoflow.reports.readouts_section import audit_table
from infoflow.reports.tables import LONG, frame_table, numbers_of, table

#: With more layers, a panel for each would be a page of its own.
_MOST_PANELS = 30
_SYMBOLS = {"ixm": "I(X;M)", "iym": "I(Y;M)"}


def information(result: FlowResult, name: str, gallery: Gallery) -> Section:
    """Return the section of one measured result."""
    facts = result.to_dict()
    return Section(
        "information",
        "Information",
        lead=_lead(result, facts),
        summary=(_summary(result, facts),),
        doubts=tuple(Doubt(text) for text in _doubts(result, facts)),
        items=(
            *_pictures(result, gallery),
            _layers(result, facts),
            *_streams(result),
            *_paper(result),
            *_audit(result),
        ),
        numbers=(numbers_of(result, name),),
    )


def _lead(result: FlowResult, facts: Mapping[str, Any]) -> tuple[str, ...]:
    over = f"{counted(len(result.epochs), result.counts)}, the last {facts['epoch']:,}"
    when = f" Measured at {over}." if len(result.epochs) > 1 else ""
    target = f" Y: {facts['target']}." if result.has_target else " Measured without a target."
    return (
        f"{counted(len(result.layers), 'layer')} over {counted(facts['samples'], 'sample')}, in "
        f"{facts['unit']}. Estimate: {facts['kind']}.{target}{when}",
    )


def _summary(result: FlowResult, facts: Mapping[str, Any]) -> str:
    last = facts["layers"][-1]
    epoch = f" at {result.counts} {facts['epoch']:,}" if len(result.epochs) > 1 else ""
    quantity = "iym" if result.has_target else "ixm"
    of, ceiling = ("the target", "H(Y)") if result.has_target else ("the input", "log N")
    if quantity == "iym" and facts["iym_ceiling"] == facts["ixm_ceiling"]:
        ceiling = "log N"
    if last[quantity] is None:
        return f"The last layer, {last['layer']}, has no number{epoch}."
    chance = last.get("iym_null_high") if quantity == "iym" else None
    if chance is not None and last["iym"] <= chance:
        return (
            f"The last layer, {last['layer']}, keeps nothing about the target above chance{epoch}: "
            f"{last['iym']:.2f} {facts['unit']}, and shuffled classes give up to {chance:.2f}."
        )
    if chance is not None:
        return (
            f"The last layer, {last['layer']}, keeps {last['iym']:.2f} {facts['unit']} about the "
            f"target{epoch}. Shuffled classes give up to {chance:.2f}, and the ceiling, {ceiling}, "
            f"is {facts['iym_ceiling']:.2f}."
        )
    return (
        f"The last layer, {last['layer']}, keeps {last[quantity]:.2f} of at most "
        f"{facts[quantity + '_ceiling']:.2f} {facts['unit']} about {of} ({ceiling}){epoch}."
    )


def _doubts(result: FlowResult, facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what speaks against the numbers of the last epoch, one sentence each."""
    rows = facts["layers"]
    for quantity, symbol in _SYMBOLS.items():
        full = [row["layer"] for row in rows if row[f"{quantity}_saturated"]]
        if full:
            yield (
                f"{symbol} is saturated in {counted(len(full), 'layer')} of {len(rows)}: above 95 "
                "% of its ceiling, so it says more about the number of samples than about the net."
            )
    separated = [row["layer"] for row in rows if row.get("iym_separated")]
    if separated:
        yield (
            f"The classes are separated in {counted(len(separated), 'layer')}: I(Y;M) is at its "
            "ceiling. An untrained net may separate them, too."
        )
    low = [row["layer"] for row in rows if _is_below_null(row)]
    if low:
        yield (
            f"I(Y;M) of {counted(len(low), 'layer')} is not above what shuffled classes give: "
            f"{listed(low, 5)}."
        )
    if result.has_target and facts["singleton_classes"]:
        yield (
            f"{counted(facts['singleton_classes'], 'class')} of Y {_has(facts)} one sample only, "
            "which adds to I(Y;M) whatever the net is."
        )
    if len(result.epochs) > 1 and 0 not in result.epochs:
        yield f"There is no untrained control: {result.counts} 0 was not measured."
    if facts["capture"] != "exact":
        names = ("ixm_sketch_error", "iym_sketch_error")
        most = max(row[name] or 0.0 for row in rows for name in names)
        off = f": numbers are off by up to about {most:.2g} {facts['unit']}" if most else ""
        yield f"Distances are not all exact ({facts['capture']}){off}."
    yield from _audit_doubts(result)
    for doubt in dict.fromkeys(row["doubt"] for row in rows if row["doubt"]):
        named = [row["layer"] for row in rows if row["doubt"] == doubt]
        yield f"{listed(named, 5)}: {doubt}."


def _has(facts: Mapping[str, Any]) -> str:
    return "has" if facts["singleton_classes"] == 1 else "have"


def _is_below_null(row: Mapping[str, Any]) -> bool:
    high = row["iym_null_high"]
    return high is not None and row["iym"] is not None and row["iym"] <= high


def _audit_doubts(result: FlowResult) -> Iterator[str]:
    found = result.audit()
    counts = Counter(row.finding for row in found.violations)
    for finding, count in counts.items():
        if finding != "within interval":
            yield (
                f"The data processing inequality fails for {counted(count, 'pair')} of layers, "
                f"finding: {finding} ({MEANINGS[finding]})."
            )


def _pictures(result: FlowResult, gallery: Gallery) -> Iterator[Picture]:
    known = {"iym": result.has_target, "ixm": result.has_input_information}
    names: tuple[plots.Quantity, ...] = ("iym", "ixm")
    for quantity in (name for name in names if known[name]):
        symbol = _SYMBOLS[quantity]
        grey = " Grey: what shuffled classes reach." if quantity == "iym" else ""
        yield gallery.draw(
            lambda quantity=quantity: plots.uplot(result, quantity=quantity),  # type: ignore[misc]
            caption=f"U-Plot: {symbol} against depth. Dotted lines are merges, arcs skip "
            f"connections, the dashed line is the ceiling. Hollow points are saturated.{grey}",
            alt=f"{symbol} of every layer against its index; the table below has the numbers.",
        )
    if not all(known.values()):
        return
    is_small = len(result.layers) <= _MOST_PANELS and len(result.epochs) > 1
    yield gallery.draw(
        lambda: plots.information_planes(result) if is_small else plots.information_plane(result),
        caption="Information plane: I(Y;M) against I(X;M)"
        + (", a panel for each layer." if is_small else " of all layers.")
        + " Dashed lines are the ceilings.",
        alt="I(Y;M) against I(X;M) for the layers; the table below has the numbers.",
    )


def _layers(result: FlowResult, facts: Mapping[str, Any]) -> Table:
    rows = facts["layers"]
    has_target, has_input = result.has_target, result.has_input_information
    header = ["", "layer", *(["I(X;M)", "95 %", "note"] if has_input else [])]
    header += ["I(Y;M)", "95 % ", "shuffled", "note "] if has_target else []
    epoch = f" at {result.counts} {facts['epoch']:,}" if len(result.epochs) > 1 else ""
    return table(
        f"What each layer knows{epoch}, in {facts['unit']}. Ends of 95 % intervals; shuffled: 95 % "
        "quantile of I(Y;M) with shuffled classes.",
        tuple(header),
        [_layer_cells(row, has_input, has_target) for row in rows],
        numbers=("", "I(X;M)", "I(Y;M)", "shuffled"),
        folded=f"{counted(len(rows), 'layer')}{epoch}" if len(rows) > LONG else "",
    )


def _layer_cells(row: Mapping[str, Any], has_input: bool, has_target: bool) -> Sequence[Cell]:
    cells = [Cell(str(row["index"])), Cell(row["layer"])]
    for quantity, is_known in (("ixm", has_input), ("iym", has_target)):
        if not is_known:
            continue
        cells += [number(row[quantity]), between(*(row[f"{quantity}_ci_{e}"] for e in _ENDS))]
        cells += [number(row["iym_null_high"], ".2f")] if quantity == "iym" else []
        word = "saturated" if row[f"{quantity}_saturated"] else ""
        word = word or ("separated" if row.get(f"{quantity}_separated") else "")
        cells.append(Cell(word, tone="open" if word == "saturated" else ""))
    return cells


_ENDS = ("low", "high")


def _streams(result: FlowResult) -> Iterator[Table]:
    try:
        frame = result.sel(epoch=result.epochs[-1:]).to_frame("stream")
    except InfoflowError:
        return
    yield frame_table(
        frame,
        "What the streams into each merge know of Y: all together, all but this one (rest), and "
        "what this one adds. It explains, and decides nothing.",
        folded="What each stream knows",
    )


def _paper(result: FlowResult) -> Iterator[Table | Words]:
    """Yield the reading of Lee and Bajić, with its record."""
    if not result.has_target or not result.graph.merges:
        return
    try:
        advice = suggest_pruning(result, reading="paper").to_dict()
    except InfoflowError as error:
        yield Words((f"The paper's reading is not possible here: {error}",))
        return
    rows = [
        (
            Cell(row["skip"]),
            Cell(row["redesign"]["paper"]),
            number(row["before"]["value"]),
            number(row["before"]["maximum"]),
            Cell(row["redesign"]["reason"]),
        )
        for row in advice["streams"]
    ]
    yield table(
        f"{RECORD}",
        ("stream", "the paper's reading", "beside it", "largest", "why"),
        rows,
        numbers=("beside it", "largest"),
        folded="The recommendation of Lee and Bajić for a net that is trained anew",
    )


def _audit(result: FlowResult) -> Iterator[Table]:
    found = result.audit()
    if found.violations:
        yield audit_table(found, folded="Where the data processing inequality fails")
