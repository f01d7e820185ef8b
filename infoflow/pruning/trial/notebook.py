"""Numbers that took long to measure, kept in a file as they come."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from infoflow.interface import ArgumentError


class Notebook:
    """Measured numbers by name; what is there already is not measured again.

    Parameters
    ----------
    path
        A JSON file, or None to keep nothing.
    setting
        What the numbers are of; a file of another setting is refused.
    """

    def __init__(self, path: str | Path | None, setting: str) -> None:
        self._path = None if path is None else Path(path)
        self._setting = setting
        self._numbers: dict[str, float] = {}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def _read(self, path: Path) -> None:
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            setting, numbers = held["setting"], dict(held["numbers"])
        except (ValueError, KeyError, TypeError) as error:
            raise ArgumentError(
                f"{path} is no file of verify_pruning ({error}). Name another checkpoint=."
            ) from error
        if setting != self._setting:
            raise ArgumentError(
                f"{path} holds numbers of another trial: expected {self._setting}, got {setting}. "
                "Name another checkpoint=, or delete it."
            )
        self._numbers = numbers

    def get(self, name: str, measure: Callable[[], float]) -> float:
        """Return a number, measured where it is not known."""
        if name not in self._numbers:
            self._numbers[name] = float(measure())
            self._write()
        return self._numbers[name]

    def _write(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".part")
        held = {"setting": self._setting, "numbers": self._numbers}
        aside.write_text(json.dumps(held, indent=1), encoding="utf-8")
        aside.replace(self._path)
