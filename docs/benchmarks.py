"""Keep the figures of a benchmark run, and write the table of the last runs.

Run with::

    OMP_NUM_THREADS=1 pytest tests/benchmarks --benchmark-only --benchmark-json run.json
    python docs/benchmarks.py run.json

It adds the run to ``docs/benchmarks_history.csv``, a row for each figure, and writes
``docs/benchmarks.csv`` with the last run of each benchmark and the one before. A second run of the
same commit replaces the first.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HISTORY, TABLE = HERE / "benchmarks_history.csv", HERE / "benchmarks.csv"
FIELDS = ("commit", "date", "machine", "versions", "benchmark", "figure", "value")
Row = dict[str, str]


def figures_of(info: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """Yield the names and values of a benchmark's figures; those of a group carry its name."""
    for name, value in info.items():
        if isinstance(value, Mapping):
            yield from figures_of(value, f"{before}{name}: ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{before}{name}", float(value)


def rows_of(run: Mapping[str, Any]) -> list[Row]:
    """Return a row for each figure of a run, from what ``--benchmark-json`` wrote."""
    machine, commit = run["machine_info"], run["commit_info"]
    versions = {"python": machine["python_version"], **machine.get("versions", {})}
    common = {
        "commit": commit["id"][:7] + ("+" if commit.get("dirty") else ""),
        "date": run["datetime"][:10],
        "machine": f"{machine['cpu'].get('brand_raw', machine['machine'])}, "
        f"{machine.get('threads', '?')} thread",
        "versions": ", ".join(f"{name} {one}" for name, one in versions.items()),
    }
    return [
        {**common, "benchmark": one["name"], "figure": figure, "value": f"{value:.4g}"}
        for one in run["benchmarks"]
        for figure, value in figures_of(one["extra_info"])
    ]


def added(history: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """Return the history with a run, which replaces figures of the same commit."""
    new = {(row["commit"], row["benchmark"], row["figure"]) for row in rows}
    kept = [r for r in history if (r["commit"], r["benchmark"], r["figure"]) not in new]
    return [*kept, *rows]


def table_of(history: Sequence[Row]) -> list[list[str]]:
    """Return a row for each figure of the last run of each benchmark, and its value before."""
    runs: dict[str, dict[str, list[Row]]] = {}
    for row in history:
        runs.setdefault(row["benchmark"], {}).setdefault(row["commit"], []).append(row)
    header = ["benchmark", "figure", "value", "of", "before", "of"]
    return [header, *(line for name in sorted(runs) for line in _lines(name, runs[name]))]


def _lines(name: str, runs: Mapping[str, Sequence[Row]]) -> Iterator[list[str]]:
    *earlier, last = runs.values()
    for row in last:
        before = next((r for run in earlier[::-1] for r in run if r["figure"] == row["figure"]), {})
        was = [before["value"], _run(before)] if before else ["", ""]
        yield [_words(name), row["figure"], row["value"], _run(row), *was]


def _run(row: Row) -> str:
    return f"{row['commit']} ({row['date']})"


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def read(path: Path) -> list[Row]:
    """Return the rows of the history; none where there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(path: Path) -> None:
    """Add a run to the history, and write the table."""
    history = added(read(HISTORY), rows_of(json.loads(path.read_text(encoding="utf-8"))))
    with HISTORY.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(table_of(history))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
