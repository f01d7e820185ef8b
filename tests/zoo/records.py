"""Records of a run: one JSON line a model; the last one of a model counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(path: Path) -> dict[str, Record]:
    """Return the records by key; a line cut short by a kill is left out."""
    found: dict[str, Record] = {}
    for line in _lines(path):
        if "key" in line:
            found[line["key"]] = line
    return found


def read_header(path: Path) -> Record:
    """Return the last header of a file."""
    return next((line for line in reversed(_lines(path)) if "versions" in line), {})


def _lines(path: Path) -> list[Record]:
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines
