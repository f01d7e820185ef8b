"""Scores that took long to measure, kept in a file as they come."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import file_path
from infoflow.pruning.ablation.bench import Floats, Scores
from infoflow.results.writing import check_writable


class Journal:
    """Measured entries by name, a line of JSON each; what is there is not measured again.

    A last line that was not written whole is dropped.

    Parameters
    ----------
    path
        The file, or None to keep nothing.
    setting
        What the entries are of, by name; a file of another setting is refused.

    Raises
    ------
    ArgumentError
        If the file is of another ablation, no such file, or cannot be written.
    """

    def __init__(self, path: str | Path | None, setting: Mapping[str, object]) -> None:
        self._path = None if path is None else file_path("path", path)
        if self._path is not None and not self._path.exists():
            check_writable(self._path, "the measured numbers", ArgumentError)
        self._setting = dict(setting)
        self._entries: dict[str, Any] = {}
        if self._path is None:
            return
        if self._path.exists():
            self._read(self._path)
        else:
            self._write(json.dumps({"ablation": self._setting}) + "\n", "w")

    def _read(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8")
            whole, _, rest = text.rpartition("\n")
            lines = [json.loads(line) for line in whole.splitlines()]
            setting = dict(lines[0]["ablation"])
            entries = {str(line["name"]): line["entry"] for line in lines[1:]}
        except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
            raise ArgumentError(
                f"{path} is no journal of infoflow.ablate ({type(error).__name__}: {error}). Name "
                "another path=, or delete it."
            ) from error
        for name, wanted in self._setting.items():
            if setting.get(name) != wanted:
                raise ArgumentError(
                    f"{path} is the journal of another ablation: expected {name} {wanted}, got "
                    f"{setting.get(name)}. Name another path=, or delete it."
                )
        self._entries = entries
        if rest:
            self._write(whole + "\n", "w")

    @property
    def kept(self) -> str:
        """What becomes of the entries where a caller's function fails, in a sentence."""
        if self._path is None:
            return "Nothing measured before was kept; pass path= to go on from there."
        return f"{self._path} keeps what was measured before: the same call goes on from there."

    @property
    def entries(self) -> dict[str, Any]:
        """All entries, by name."""
        return dict(self._entries)

    def add_all(self, entries: Mapping[str, Any]) -> None:
        """Keep entries, but for those that are there already."""
        for name, entry in entries.items():
            if self._entries.get(name) != entry:
                self.add(name, entry)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Any:
        """Return an entry of plain values."""
        return self._entries[name]

    def add(self, name: str, entry: Any) -> None:
        """Keep an entry of plain values."""
        self._entries[name] = entry
        if self._path is not None:
            self._write(json.dumps({"name": name, "entry": entry}) + "\n", "a")

    def _write(self, text: str, mode: str) -> None:
        assert self._path is not None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ArgumentError(
                f"The journal {self._path} cannot be written ({error}). Name another path=."
            ) from error


def pack_scores(scores: Scores) -> dict[str, str | None]:
    """Return scores as plain text."""
    metric = None if scores.metric is None else _pack(scores.metric)
    return {"bits": _pack(scores.bits), "labels": _pack(scores.labels), "metric": metric}


def unpack_scores(packed: Mapping[str, str | None]) -> Scores:
    """Return scores from what :func:`pack_scores` made of them."""
    bits, labels, metric = (packed[name] for name in ("bits", "labels", "metric"))
    assert bits is not None
    assert labels is not None
    return Scores(_unpack(bits), _unpack(labels), None if metric is None else _unpack(metric))


def _pack(values: Floats) -> str:
    return base64.b64encode(zlib.compress(values.astype("<f8").tobytes())).decode()


def _unpack(text: str) -> Floats:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f8").astype(np.float64)
