"""The zoo's table in the documentation, written from the records of a run."""

from __future__ import annotations

import csv
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.zoo.explanations import explanation
from tests.zoo.records import Record, read, read_header

_COLUMNS = (
    *("model", "category", "input", "layers", "merges", "kinds", "label", "replays", "hooks"),
    *("exported", "trace", "analyze", "remarks"),
)


def write_table(results: Path, docs: Path) -> None:
    """Write ``zoo_table.csv``, ``zoo_left_out.csv`` and ``zoo_summary.txt``."""
    records = sorted(read(results).values(), key=lambda record: record["key"])
    real = [record for record in records if record["status"] != "cannot run"]
    left_out = [record for record in records if record["status"] == "cannot run"]
    _write(docs / "zoo_table.csv", _COLUMNS, map(row, real))
    reasons = ([r["key"], r["reason"]] for r in left_out)
    _write(docs / "zoo_left_out.csv", ("model", "why it does not run here"), reasons)
    text = summary(real, len(left_out), read_header(results))
    (docs / "zoo_summary.txt").write_text(text)


def _write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([as_text(cell) for cell in row] for row in rows)


def as_text(cell: object) -> str:
    """Return a cell of which Sphinx takes nothing for markup."""
    return re.sub(r"([*`|\\_])", r"\\\1", str(cell))


def row(record: Record) -> list[object]:
    """Return a model's line of the table."""
    traced = record["status"] == "traced"
    return [
        record["key"],
        record["category"],
        record.get("input", ""),
        record.get("layers", ""),
        record.get("merges", ""),
        _kinds(record.get("kinds", {})),
        record["label"] if traced else record["status"],
        _replays(record) if traced else "",
        _hooks(record) if traced else "",
        _exported(record) if traced else "",
        _ratio(record) if traced else "",
        _analyzed(record),
        "; ".join(remarks(record)),
    ]


def _kinds(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _replays(record: Record) -> str:
    found = record.get("replay", {})
    return "yes" if found and set(found.values()) == {"ok"} else "no"


def _hooks(record: Record) -> str:
    found = record.get("hooks", {})
    if "compared" not in found or found["different"] or found["missed"]:
        return "no"
    return f"{found['compared']} equal"


def agrees(record: Record) -> bool | None:
    """Tell whether the exported graph has as many merges; None where the model does not export."""
    witness = record.get("witness", {})
    if "merges" not in witness:
        return None
    return bool(witness["merges"] == sum(witness["ours"].values()))


def _exported(record: Record) -> str:
    verdict = agrees(record)
    if verdict is None:
        return "does not export"
    if verdict:
        return "agrees"
    witness = record["witness"]
    return f"{witness['merges']}: {_kinds(witness['kinds'])}"


def _ratio(record: Record) -> float:
    return float(record.get("usual", {}).get("ratio") or record["ratio"])


def _analyzed(record: Record) -> str:
    found = record.get("analyze", "")
    return found if found in ("ok", "") else "no"


def remarks(record: Record) -> list[str]:
    """Return what is to be said of a model: reasons, differences and explanations."""
    found = [record["reason"]] if record.get("reason") else []
    found += record.get("notes", []) if record.get("label") != "exact" else []
    if record["status"] == "traced" and _replays(record) == "no" and record["label"] == "exact":
        found.append(f"replay: {record.get('replay')}")
    if record["status"] == "traced" and _hooks(record) == "no":
        found.append(f"hooks: {record.get('hooks')}")
    found += _about_export(record)
    if record.get("analyze", "ok") != "ok":
        found.append(f"analyze: {record['analyze']}")
    if record.get("interrupted"):
        found.append(f"interrupted: {record['interrupted']}")
    return found


def _about_export(record: Record) -> list[str]:
    witness, found = record.get("witness", {}), []
    if witness.get("dead"):
        found.append(f"{witness['dead']} merges lead to no output: the exported graph has none")
    if agrees(record) is False:
        ours = _kinds(witness["ours"])
        found.append(explanation(record["key"]) or f"difference not explained, ours: {ours}")
    return found


def summary(records: list[Record], left_out: int, header: Record) -> str:
    """Return versions and totals as reStructuredText."""
    traced = [record for record in records if record["status"] == "traced"]
    labels = Counter(record["label"] for record in traced)
    verdicts = Counter(agrees(record) for record in traced)
    analyzed = [record for record in records if record.get("analyze") == "ok"]
    versions = ", ".join(f"{name} {number}" for name, number in header["versions"].items())
    lines = [
        f"Run of {header['date']}, seed {header['seed']}, {header['machine']}, "
        f"Python {header['python']}: {versions}.",
        "",
        f"- {len(records)} models: {_count(records, 'library')}. {left_out} more cannot be built "
        "or run here at all.",
        f"- {len(traced)} traced, {len(records) - len(traced)} refused or failed.",
        f"- Labels: {', '.join(f'{n} {label}' for label, n in labels.most_common())}.",
        f"- {_replayed(traced)} of the {labels['exact']} *exact* graphs replay on new input and "
        "on another number of samples.",
        f"- Every module layer equals a hook on the model, bit for bit, in "
        f"{sum(_hooks(record) != 'no' for record in traced)} of {len(traced)} "
        f"({sum(r.get('hooks', {}).get('compared', 0) for r in traced):,} values).",
        f"- Merges agree with the exported graph in {verdicts[True]} of "
        f"{verdicts[True] + verdicts[False]} models that export; {verdicts[None]} do not export.",
        f"- {_cost(traced)}",
        f"- ``infoflow.analyze`` measured {len(analyzed)} models.",
    ]
    return "\n".join(lines) + "\n"


def _cost(traced: list[Record]) -> str:
    usual = [record["usual"]["ratio"] for record in traced if "ratio" in record.get("usual", {})]
    others = [record["ratio"] for record in traced if "ratio" not in record.get("usual", {})]
    parts = [
        f"{statistics.median(found):.1f} of {name} ({len(found)} models)"
        for name, found in (("their usual size", usual), ("the small size here", others))
        if found
    ]
    return (
        "Tracing takes so many forward passes of two samples (median, time of the processor): "
        f"{', '.join(parts)}."
    )


def _replayed(traced: list[Record]) -> int:
    return sum(r["label"] == "exact" and _replays(r) == "yes" for r in traced)


def _count(records: list[Record], field: str) -> str:
    counts = Counter(record[field] for record in records)
    return ", ".join(f"{number} of {name}" for name, number in sorted(counts.items()))
