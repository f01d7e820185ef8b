"""A smaller net beside the whole one."""

from __future__ import annotations

import math

from infoflow.pruning import NetComparison
from infoflow.reports.content import Cell, Doubt, Section
from infoflow.reports.numerals import MISSING, number, sentence
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import numbers_of, table


def smaller(result: NetComparison, name: str, gallery: Gallery) -> Section:
    """Return the section of a smaller net that was tried on samples of its own."""
    is_open = result.verdict == "cannot tell"
    title = result.title()
    return Section(
        "smaller",
        "The smaller net",
        lead=(
            f"The whole net and the smaller one, on {result.samples:,} samples that judge. The "
            f"loss may rise by {result.tolerance:.2g} {result.unit_of_bits}.",
        ),
        summary=(sentence(f"the smaller net: {title[:1].lower()}{title[1:]}"),),
        doubts=(Doubt(sentence(result.reason)),) if is_open and result.reason else (),
        items=(
            table(
                f"{sentence(title)} {sentence(result.reason) if result.reason else ''}",
                ("of", "whole", "smaller", "change", "95 %"),
                _rows(result),
                numbers=("whole", "smaller", "change"),
            ),
        ),
        numbers=(numbers_of(result, name),),
    )


def _rows(result: NetComparison) -> list[tuple[Cell, ...]]:
    bits = f"{result.bits_low:+z.4f} to {result.bits_high:+z.4f}"
    loss = f"loss ({result.unit_of_bits})"
    rows = [_row(loss, result.whole_bits, result.whole_bits + result.bits, bits)]
    metric = str(result.dataset.attrs.get("metric", ""))
    if metric:
        ends = f"{-result.metric_high:+z.4f} to {-result.metric_low:+z.4f}"
        rows.append(_row(metric, result.metric_whole, result.metric_other, ends))
    for what, pair in (
        ("parameters", result.parameters),
        ("multiply-adds", result.multiply_adds),
    ):
        rows.append(_count(what, *pair))
    return [*rows, _row("time of a forward pass", 1.0, result.time, form=".2f")]


def _row(
    what: str, whole: float, other: float, ends: str = "", form: str = ".4f"
) -> tuple[Cell, ...]:
    change = number(other - whole, f"+{form}")
    return Cell(what), number(whole, form), number(other, form), change, Cell(ends or MISSING)


def _count(what: str, whole: float, other: float) -> tuple[Cell, ...]:
    share = other / whole - 1 if whole else math.nan
    change = Cell(MISSING) if math.isnan(share) else Cell(f"{share:+.1%}", round(share, 6))
    return Cell(what), number(whole, ",.0f"), number(other, ",.0f"), change, Cell(MISSING)
