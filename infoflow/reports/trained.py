"""Trials, races and advice: what became of nets without some of their streams."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from infoflow import plots
from infoflow.graph.text_table import counted, listed
from infoflow.plots.style import QUIET, axes_or_new
from infoflow.pruning import PruningAdvice, PruningTrial, Race
from infoflow.pruning.advice_table import advice_parts, right_of
from infoflow.reports.content import Cell, Doubt, Picture, Section, Table, Words, verdict_cell
from infoflow.reports.numerals import between, number, sentence
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import numbers_of, table

#: Curves that can be told apart.
_MOST_CURVES = 8
_MEASURES = {"cut": "cut at once", "tuned": "fine-tuned", "redesign": "trained from scratch"}


def trial(result: PruningTrial, name: str, gallery: Gallery) -> Section:
    """Return the section of a trial of removals."""
    zeroed = [row.name for row in result.rows if "zeroed" in row.how]
    doubts = []
    if zeroed:
        doubts.append(f"Set to zero and not cut, so that nothing is saved: {listed(zeroed, 5)}.")
    if result.redesign_epochs and max(len(row.redesign) for row in result.rows) < 2:
        doubts.append("Nets were trained from scratch once, so nothing says how seeds differ.")
    items: list[Picture | Table | Words] = [Words(tuple(map(sentence, result.notes)))]
    if len(result.rows) > 1:
        items.append(
            gallery.draw(
                lambda: plots.trial(result),
                caption="The metric after each removal. Lines are the whole net with the same "
                "training: dotted as it is, dash-dotted fine-tuned, dashed from scratch.",
                alt="The metric after each removal; the table below has the numbers.",
            )
        )
    return Section(
        "trial",
        "What removing streams did",
        summary=tuple(_trial_summary(result)),
        doubts=tuple(Doubt(text) for text in doubts),
        items=(*items, _trial_table(result), *_rankings(result)),
        numbers=(numbers_of(result, name),),
    )


def _trial_summary(result: PruningTrial) -> Iterator[str]:
    for measure in result.measured:
        damage = {
            row.name: (result.whole.metric(measure) - row.metric(measure))
            * (-1 if result.lower_is_better else 1)
            for row in result.rows[1:]
        }
        known = {name: value for name, value in damage.items() if not math.isnan(value)}
        if known:
            least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
            yield (
                f"Tried, {_MEASURES[measure]}: the metric is worse by {known[least]:.4f} without "
                f"{least}, which costs least, and by {known[most]:.4f} without {most}, which "
                "costs most."
            )


def _trial_table(result: PruningTrial) -> Table:
    header = ["removed", "streams", *(_MEASURES[m] for m in result.measured)]
    header += ["parameters", "multiply-adds", "time"]
    rows = [
        [
            Cell(row.name),
            Cell(str(len(row.streams))),
            *(number(row.metric(measure), ".4f") for measure in result.measured),
            number(row.parameters, ",.0f"),
            number(row.multiply_adds, ",.0f"),
            number(row.latency, ".2f"),
        ]
        for row in result.rows
    ]
    return table(
        "The metric and the size of each net that is left. Time: of a forward pass, over that of "
        "the whole net.",
        tuple(header),
        rows,
        numbers=tuple(header[1:]),
    )


def _rankings(result: PruningTrial) -> Iterator[Table]:
    found = result.rankings
    if found:
        yield table(
            "How the order of streams by each reading agrees with the damage that was measured.",
            ("reading", "damage", "rank correlation", "95 %", "streams"),
            [
                (
                    Cell(one.reading),
                    Cell(_MEASURES[one.measure]),
                    number(one.correlation, "+.2f"),
                    between(one.ci_low, one.ci_high),
                    Cell(str(one.streams)),
                )
                for one in found
            ],
            numbers=("rank correlation", "streams"),
            folded="Which reading foretold it",
        )


def race(result: Race, name: str, gallery: Gallery) -> Section:
    """Return the section of a race of nets that were trained from scratch."""
    seeds = result.dataset.sizes["seed"]
    open_rows = [row.name for row in result.rows if row.verdict == "cannot tell"]
    doubts = []
    if seeds < 2:
        doubts.append("Every variant was trained once, so nothing says how seeds differ.")
    if open_rows:
        doubts.append(f"Cannot tell of {listed(open_rows)} at this number of seeds ({seeds}).")
    return Section(
        "race",
        "Trained from scratch without streams",
        lead=(
            f"{counted(len(result.rows), 'variant')}, {counted(seeds, 'seed')}; the tolerance is "
            f"{result.tolerance:.3g} bits. It cost {result.cost:.1f} full trainings.",
        ),
        summary=(result.conclusion,) if result.conclusion else (),
        doubts=tuple(Doubt(text) for text in doubts),
        items=(
            gallery.draw(
                lambda: _curves(result),
                caption="Held-out loss over the training, the mean of the seeds. The whole net is "
                "black.",
                alt="Learning curves of all variants; the table below compares them.",
            ),
            _race_table(result),
        ),
        numbers=(numbers_of(result, name, result.curves()),),
    )


def _race_table(result: Race) -> Table:
    rows = [
        (
            Cell(row.name),
            verdict_cell(row.verdict),
            number(row.end.value, "+.4f"),
            between(row.end.low, row.end.high, "+.4f"),
            number(row.area.value, "+.4f"),
            between(row.area.low, row.area.high, "+.4f"),
            number(row.time_to_threshold, "g"),
            number(row.outlook.parameters, ",.0f"),
        )
        for row in result.rows
    ]
    header = ("variant", "verdict", "end", "95 %", "whole curve", "95 % ", "epochs", "parameters")
    return table(
        "How much worse each variant is than the whole net, in bits: at the end, and over "
        "the whole curve. Epochs: until it comes down to the threshold.",
        header,
        rows,
        numbers=("end", "whole curve", "epochs", "parameters"),
    )


def _curves(result: Race) -> Axes:
    """Draw the mean learning curve of each variant, the first few in colours."""
    ax = axes_or_new(None, 8.0, 4.2)
    mean = result.dataset["bits"].mean("seed", skipna=True).transpose("variant", "epoch")
    epochs = result.dataset["epoch"].values
    for place, (label, values) in enumerate(
        zip(mean["variant"].values.tolist(), mean.values, strict=True)
    ):
        is_named = place <= _MOST_CURVES
        known = np.isfinite(values)
        colour = "black" if place == 0 else f"C{place - 1}" if is_named else QUIET
        ax.plot(
            *(epochs[known], values[known]),
            color=colour,
            linewidth=1.8 if place == 0 else 1.0,
            label=str(label) if is_named else None,
            zorder=3 if place == 0 else 2,
        )
    ax.set(xlabel="epoch", ylabel="held-out loss (bits)")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    return ax


def advice(result: PruningAdvice, name: str, gallery: Gallery) -> Section:
    """Return the section of saved advice."""
    facts = result.to_dict()
    items: list[Table | Words] = []
    for part in advice_parts(facts):
        if part.rows:
            right = tuple(part.header[place] for place in right_of(part))
            rows = [[_advice_cell(cell) for cell in row] for row in part.rows]
            caption = " ".join(text for text in (part.question, part.reading) if text)
            items.append(table(caption, part.header, rows, numbers=right))
        elif part.question:
            items.append(Words((part.question,)))
        if part.reasons:
            items.append(Words(part.reasons, folded="Why" if part.rows else ""))
    return Section(
        "advice",
        "Advice",
        summary=(result.conclusion,) if result.conclusion else (),
        doubts=(Doubt(facts["caution"]),) if facts["caution"] else (),
        items=tuple(items),
        numbers=(numbers_of(result, name),),
    )


def _advice_cell(text: str) -> Cell:
    return verdict_cell(text)
