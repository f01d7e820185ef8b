"""Epochs that wait beside a result's file, so that it is not written anew at every one.

Each is a line of JSON in ``NAME.nc.journal``. The first line names the file that they go with, by a
checksum: when that is replaced, the lines count no more. A line that a crash cut short is left out.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from infoflow.interface import ResultFileError

if TYPE_CHECKING:
    import xarray as xr

#: Epochs that wait before the file is written anew.
MOST_WAITING = 20


def journal_of(path: Path) -> Path:
    """Return the place of a file's journal."""
    return path.with_name(f"{path.name}.journal")


class Journal:
    """The journal of one file, as its writer holds it.

    An append costs what is appended: the file and the journal are read only where someone else has
    changed them since.

    Parameters
    ----------
    path
        The result's file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, journal_of(path)
        self._left: tuple[object, object] | None = None  # how the last append left both files

    def append(self, dataset: xr.Dataset) -> None:
        """Add a measurement, and see that it is on the disk.

        Raises
        ------
        ResultFileError
            If it cannot be written.
        """
        lines = [_line(dataset)]
        if not self._is_as_left() and not _goes_with(self._place, self._path):
            lines.insert(0, json.dumps({"file": _checksum(self._path)}))
            _remove(self._place)
        try:
            with self._place.open("a", encoding="utf-8") as journal:
                # a line that a crash cut short ends here
                journal.write("".join(f"\n{line}\n" for line in lines))
                journal.flush()
                os.fsync(journal.fileno())
        except OSError as error:
            self._left = None
            raise ResultFileError(
                f"Cannot write the result to {self._place}: {error.strerror or error}. Choose a "
                "folder that you may write to."
            ) from error
        self._left = _state(self._path), _state(self._place)

    def _is_as_left(self) -> bool:
        return self._left is not None and self._left == (_state(self._path), _state(self._place))


def waiting(path: Path) -> list[xr.Dataset]:
    """Return the measurements in the journal of a file, in their order."""
    place = journal_of(path)
    if not _goes_with(place, path):
        return []
    return [_dataset(line) for line in list(_lines(place))[1:]]


def clear(path: Path) -> None:
    """Take away the journal of a file that holds all of it."""
    _remove(journal_of(path))


def _remove(place: Path) -> None:
    with suppress(OSError):
        place.unlink()


def _goes_with(place: Path, path: Path) -> bool:
    first = next(_lines(place), {})
    return bool(first) and path.is_file() and first.get("file") == _checksum(path)


def _lines(place: Path) -> Iterator[dict[str, Any]]:
    try:
        text = place.read_text(encoding="utf-8")
    except OSError:
        return
    for line in text.splitlines():
        with suppress(ValueError):
            yield json.loads(line)


def _state(path: Path) -> object:
    """Return what changes when a file is written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _checksum(path: Path) -> int:
    return zlib.crc32(path.read_bytes())


def _line(dataset: xr.Dataset) -> str:
    kinds = {str(name): str(variable.dtype) for name, variable in dataset.variables.items()}
    return json.dumps({"kinds": kinds, "dataset": dataset.to_dict()}, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no plain value")


def _dataset(line: dict[str, Any]) -> xr.Dataset:
    import xarray as xr

    dataset = xr.Dataset.from_dict(line["dataset"])
    for name, kind in line["kinds"].items():
        if str(dataset[name].dtype) != kind and np.dtype(kind).kind in "biufcO":
            dataset[name] = dataset[name].astype(kind)
    return dataset
