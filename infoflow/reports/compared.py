"""Two results beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from infoflow import plots
from infoflow.comparison import Comparison, Difference
from infoflow.reports.content import Cell, Doubt, Picture, Section, Table, Words
from infoflow.reports.numerals import between, number, sentence
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import LONG, numbers_of, table

#: More rows in a figure could not be read.
_MOST_ROWS = 80


def compared(result: Comparison, name: str, gallery: Gallery) -> Section:
    """Return the section of a comparison."""
    unit = f" In {result.unit}." if result.unit else ""
    return Section(
        "comparison",
        "What differs",
        lead=(f"{sentence(result.title())}{unit}",),
        summary=(f"{sentence(result.title())} {result.conclusion}",),
        doubts=tuple(Doubt(sentence(note)) for note in result.notes),
        items=(*_graphs(result), *_pictures(result, gallery), *_table(result)),
        numbers=(numbers_of(result, name),),
    )


def _graphs(result: Comparison) -> Iterator[Words]:
    for words, names in result.graph_difference.parts.items():
        is_long = len(names) > 6
        if is_long:
            yield Words(names, folded=f"{sentence(words)[:-1]} ({len(names)})")
        else:
            yield Words((f"{sentence(words)[:-1]}: {'; '.join(names)}.",))


def _pictures(result: Comparison, gallery: Gallery) -> Iterator[Picture]:
    for quantity in dict.fromkeys(row.quantity for row in result.rows if row.name):
        if sum(row.quantity == quantity for row in result.rows) <= _MOST_ROWS:
            yield gallery.draw(
                lambda quantity=quantity: plots.differences(result, quantity=quantity),  # type: ignore[misc]
                caption=f"{sentence(quantity)} Second less first, with 95 % intervals: blue is "
                "higher, orange lower, grey cannot be told.",
                alt=f"Differences of {quantity}; the table below has the numbers.",
            )


def _table(result: Comparison) -> Iterator[Table]:
    if result.rows:
        yield table(
            "The numbers of both, and the second less the first.",
            ("quantity", "of", "first", "second", "difference", "95 %", "second is"),
            [_cells(row) for row in result.rows],
            numbers=("first", "second", "difference"),
            folded=f"All {len(result)} numbers" if len(result) > LONG else "",
        )


def _cells(row: Difference) -> tuple[Cell, ...]:
    return (
        Cell(row.quantity),
        Cell(row.name or "the whole net"),
        *(number(value, ".4f") for value in (row.first, row.second)),
        number(row.difference, "+.4f", "paired" if row.samples else ""),
        between(row.low, row.high, "+.4f"),
        Cell(row.finding, tone="open" if row.finding == "cannot tell" else ""),
    )
