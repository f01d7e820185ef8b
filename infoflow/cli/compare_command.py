"""``infoflow compare`` and ``infoflow graph --diff``: two of a kind beside each other."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from infoflow.comparison import Comparison, compare, graph_difference
from infoflow.graph import LayerGraph
from infoflow.results import load


def compare_files(first: Path, second: Path) -> Comparison:
    """Read two results and compare them, under the names of their files."""
    return compare(load(first), load(second), names=(str(first), str(second)))


def print_difference(
    first: LayerGraph, second: LayerGraph, names: tuple[str, str], *, as_json: bool
) -> None:
    """Print what the second graph has gained and lost, as text or as JSON."""
    found = graph_difference(first, second)
    if as_json:
        about = {"first": names[0], "second": names[1], **asdict(found)}
        print(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        print(f"{names[1]} against {names[0]}", "", found, sep="\n")
