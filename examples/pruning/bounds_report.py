"""The tables of ``docs/bounds.rst``, from the simulations of ``bounds_study.py``.

Usage: python examples/pruning/bounds_report.py
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "results" / "bounds.csv"
DOCS = HERE.parents[1] / "docs"

#: What intervals and verdicts rest on.
PUBLISHED = "t and worst, 10.0%"

Row = dict[str, str]


def read() -> dict[tuple[str, int, str], Row]:
    """Return the rows of the study by family, number of samples and bound."""
    with SOURCE.open(encoding="utf-8") as file:
        return {(r["family"], int(r["samples"]), r["bound"]): r for r in csv.DictReader(file)}


def percent(row: Row, column: str) -> str:
    return f"{100 * float(row[column]):.1f}"


def coverage(rows: dict[tuple[str, int, str], Row]) -> Iterable[list[str]]:
    """Yield the coverage of Student's t and of the published interval."""
    counts = (64, 128, 256, 512)
    yield ["rises", *(f"t, {n}" for n in counts), *(f"published, {n}" for n in counts)]
    for family in dict.fromkeys(family for family, _, _ in rows):
        cells = [
            percent(rows[family, n, bound], "coverage")
            for bound in ("t", PUBLISHED)
            for n in counts
        ]
        yield [family, *cells]


def verdicts(rows: dict[tuple[str, int, str], Row]) -> Iterable[list[str]]:
    """Yield wrong and right verdicts *prune* of t, of both ends, and of 5 bits as the largest."""
    bounds = {
        "t": "t",
        PUBLISHED: "published",
        "t and worst, 2.5%": "worst at 2.5 %",
        "betting, 5 bits": "5 bits known",
    }
    yield [
        "rises",
        *(f"wrong, {label}, 256" for label in bounds.values()),
        *(f"wrong, {label}, 512" for label in ("t", "published")),
        *(f"right, {label}, 256" for label in bounds.values()),
        "wrong keep, published, 256",
    ]
    for family in dict.fromkeys(family for family, _, _ in rows):
        yield [
            family,
            *(percent(rows[family, 256, bound], "wrong_prune") for bound in bounds),
            *(percent(rows[family, 512, bound], "wrong_prune") for bound in ("t", PUBLISHED)),
            *(percent(rows[family, 256, bound], "right_prune") for bound in bounds),
            percent(rows[family, 256, PUBLISHED], "wrong_keep"),
        ]


def main() -> None:
    """Write both tables."""
    rows = read()
    for name, table in (("coverage", coverage(rows)), ("verdicts", verdicts(rows))):
        with (DOCS / f"bounds_{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    main()
