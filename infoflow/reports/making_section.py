"""How the results of a report were made: settings, data, and versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from infoflow.reports.gathering import Entry
from infoflow.results.base import VERSIONS

_PACKAGES = ("infoflow", "torch", "numpy", "scipy", "scikit-learn", "matplotlib")
#: Facts that a section says, or that are no settings.
_ELSEWHERE = ("notes", "conclusion", "caution", "frontier", "unit")

Made = tuple[tuple[str, dict[str, str]], ...]


def how_made(entries: Sequence[Entry]) -> Made:
    """Return what is known of each result, and the versions that wrote the report."""
    found = [(_title(entry), _facts(entry)) for entry in entries]
    return (*found, ("This report", _versions()))


def _title(entry: Entry) -> str:
    kind = type(entry.result).__name__
    return f"{entry.name} ({kind})" if entry.name else kind


def _facts(entry: Entry) -> dict[str, str]:
    dataset = entry.result.dataset
    facts = {
        key.replace("_", " "): _plain(value)
        for key, value in dataset.attrs.items()
        if not key.startswith(("infoflow_", "cost_")) and key not in _ELSEWHERE
    }
    if VERSIONS in dataset.attrs:
        facts["measured with"] = str(dataset.attrs[VERSIONS])
    sizes = ", ".join(f"{size:,} {name}" for name, size in dataset.sizes.items())
    kept = {key: value for key, value in facts.items() if value}
    return {**kept, "size": sizes} if sizes else kept


def _plain(value: Any) -> str:
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 400 else f"{text[:399]}…"


def _versions() -> dict[str, str]:
    found = {"written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "Python": platform.python_version(), "system": platform.platform(terse=True)}
