"""What :func:`infoflow.compare` returns."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from infoflow.comparison.graph_difference import GraphDifference
from infoflow.graph.text_table import align
from infoflow.results import Fact, Table
from infoflow.results.facts import lines

Finding = Literal["higher", "lower", "cannot tell", "not known"]


@dataclass(frozen=True)
class Difference:
    """One number of two results.

    Parameters
    ----------
    quantity
        What it is, such as ``"I(Y;M)"`` or ``"bits lost, mended"``.
    name
        The layer or stream, by its name in the second result; empty for the whole net.
    first, second
        The number in each.
    difference
        second − first.
    low, high
        95 % interval of the difference; NaN where a result has no interval.
    samples
        How many samples both results share, whose losses were paired; 0 where the interval is made
        of the two intervals, without knowing how they depend on each other.
    is_saturated
        Whether one of the numbers is saturated: it then says more about the samples than the net.
    """

    quantity: str
    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    samples: int = 0
    is_saturated: bool = False

    @property
    def finding(self) -> Finding:
        """Whether the second is ``"higher"`` or ``"lower"`` than the first, if that can be told."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "not known"
        if self.is_saturated:
            return "cannot tell"
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "cannot tell"


class Comparison(Table[Difference]):
    """How two results differ; ``print`` shows it as a table.

    Attributes
    ----------
    rows
        A row for each number that both results have.
    first_name, second_name
        What was compared, in words.
    notes
        What is to be known to read it.
    """

    dims = ("number",)
    always = ("first", "second", "difference")
    first_name, second_name = Fact(str, ""), Fact(str, "")
    notes = Fact(lines)

    @property
    def graph_difference(self) -> GraphDifference:
        """What the second net has gained and lost."""
        stored = json.loads(str(self.dataset.attrs["graph_difference"]))
        return GraphDifference(**{name: tuple(names) for name, names in stored.items()})

    @property
    def conclusion(self) -> str:
        """How many numbers differ, in a sentence or two."""
        return " ".join([_in_the_graph(self.graph_difference), *_in_numbers(self.rows)])

    def title(self) -> str:
        """Return what was compared."""
        return f"{self.second_name} against {self.first_name}"

    def table(self) -> str:
        """Return the conclusion, the graphs' difference, and a line for each number."""
        found = [self.title(), "", self.conclusion]
        if self.graph_difference:
            found += ["", str(self.graph_difference)]
        if self.rows:
            header = ("quantity", "of", "first", "second", "difference", "95 %", "second is")
            unit = f"In {self.unit}." if self.unit else ""
            cells = align([header, *map(_cells, self.rows)], right=(2, 3, 4))
            found += ["", *([unit, ""] if unit else []), *cells]
        return "\n".join([*found, *(["", *self.notes] if self.notes else [])])


def comparison_of(
    rows: Sequence[Difference],
    graphs: GraphDifference,
    *,
    unit: str,
    model: str,
    first: str,
    second: str,
    notes: Sequence[str],
) -> Comparison:
    """Label the differences of two results."""
    numbers = ("first", "second", "difference", "low", "high")
    return Comparison.of(
        rows,
        units=dict.fromkeys(numbers, unit) if unit else None,
        model=model,
        graph_difference=json.dumps(asdict(graphs)),
        notes="\n".join(notes),
        first_name=first,
        second_name=second,
    )


def _in_the_graph(found: GraphDifference) -> str:
    if not found:
        return "The graphs are the same."
    counts = []
    for words, names in found.parts.items():
        what, _, change = words.rpartition(" ")
        counts.append(f"{len(names)} {what if len(names) > 1 else what[:-1]} {change}")
    return f"The graphs differ: {', '.join(counts)}."


def _in_numbers(rows: Sequence[Difference]) -> list[str]:
    found = []
    for quantity in dict.fromkeys(row.quantity for row in rows):
        mine = [row for row in rows if row.quantity == quantity]
        start = quantity[:1].upper() + quantity[1:]
        if len(mine) == 1 and not mine[0].name:
            found.append(f"{start}: {mine[0].difference:+.4f} ({mine[0].finding}).")
            continue
        counts = [
            f"{count} {finding}"
            for finding in ("higher", "lower", "cannot tell", "not known")
            if (count := sum(row.finding == finding for row in mine))
        ]
        found.append(f"{start}, of {len(mine)}: {', '.join(counts)}.")
    return found


def _cells(row: Difference) -> tuple[str, ...]:
    known = row.finding != "not known"
    return (
        row.quantity,
        row.name,
        *(f"{value:z.4f}" for value in (row.first, row.second)),
        f"{row.difference:+z.4f}{' =' * row.is_saturated}",
        f"[{row.low:+z.4f}, {row.high:+z.4f}]{' paired' * bool(row.samples)}" if known else "",
        row.finding,
    )
