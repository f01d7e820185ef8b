"""Numbers that took long to measure, kept in a file as they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from infoflow.interface import ArgumentError, ResultFileError
from infoflow.interface.argument_checks import file_path
from infoflow.results.writing import check_writable, replace_file


class ResultCache:
    """Measured numbers by name; what is there already is not measured again.

    Parameters
    ----------
    path
        A JSON file, or None to keep nothing.
    setting
        What the numbers are of, by name; a file of another setting is refused.
    """

    def __init__(self, path: str | Path | None, setting: Mapping[str, object]) -> None:
        self._path = None if path is None else file_path("checkpoint", path)
        if self._path is not None and not self._path.exists():
            check_writable(self._path, "the measured numbers", ArgumentError)
        self._setting = dict(setting)
        self._numbers: dict[str, float] = {}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def _read(self, path: Path) -> None:
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            setting = dict(held["setting"])
            numbers = {str(name): float(value) for name, value in held["numbers"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ArgumentError(
                f"{path} holds no measured numbers ({type(error).__name__}: {error}). Name "
                "another checkpoint=."
            ) from error
        other = [name for name in self._setting if setting.get(name) != self._setting[name]]
        if other:
            raise ArgumentError(
                f"{path} holds numbers of something else: expected {other[0]} "
                f"{self._setting[other[0]]}, got {setting.get(other[0])}. Name another "
                "checkpoint=, or delete it."
            )
        self._numbers = numbers

    @property
    def kept(self) -> str:
        """What becomes of the numbers where a caller's function fails, in a sentence."""
        if self._path is None:
            return "Nothing measured before was kept; pass checkpoint= to go on from there."
        return f"{self._path} keeps what was measured before: the same call goes on from there."

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def put(self, name: str, value: float) -> None:
        """Keep a number that was measured elsewhere."""
        self._numbers[name] = float(value)
        self._write()

    def get(self, name: str, measure: Callable[[], float]) -> float:
        """Return a number, measured where it is not known."""
        if name not in self._numbers:
            self.put(name, measure())
        return self._numbers[name]

    def _write(self) -> None:
        if self._path is None:
            return
        held = {"setting": self._setting, "numbers": self._numbers}
        text = json.dumps(held, indent=1)
        try:
            replace_file(self._path, lambda part: part.write_text(text, encoding="utf-8"))
        except ResultFileError as error:
            raise ArgumentError(
                f"The checkpoint {self._path} cannot be written ({error.__cause__}). Name another "
                "one."
            ) from error
