"""Measurements on their way to the results: a file for each, so that a stopped stage goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common.files import reading, replacing

Tables = dict[str, list[dict[str, Any]]]


def kept(path: Path, make: Callable[[], Tables]) -> Tables:
    """Return what a file holds; made and written first where it is not there."""
    if not path.exists():
        made = make()
        with replacing(path) as part:
            part.write_text(json.dumps(made), encoding="utf-8")
    with reading(path):
        found: Tables = json.loads(path.read_text(encoding="utf-8"))
    return found


def kept_arrays(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arrays that a file holds; made and written first where it is not there."""
    if not path.exists():
        write_arrays(path, make())
    with reading(path), path.open("rb") as stream, np.load(stream) as stored:
        return dict(stored)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays into one compressed file."""
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def joined(tables: list[Tables]) -> Tables:
    """Put the rows of several measurements one after another.

    Examples
    --------
    >>> joined([{"a": [{"x": 1}]}, {"a": [{"x": 2}], "b": []}])
    {'a': [{'x': 1}, {'x': 2}], 'b': []}
    """
    found: Tables = {}
    for each in tables:
        for name, rows in each.items():
            found.setdefault(name, []).extend(rows)
    return found
