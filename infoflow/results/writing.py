"""Files that are replaced when the new one is complete."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from infoflow.interface import InfoflowError, ResultFileError
from infoflow.interface.argument_checks import file_path

if TYPE_CHECKING:
    import xarray as xr


def write_whole(dataset: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write netCDF; a file that is there is replaced only when the new one is complete."""
    return replace_file(path, lambda part: dataset.to_netcdf(part, engine="h5netcdf"))


def check_writable(
    path: Path, what: str = "the result", kind: type[InfoflowError] = ResultFileError
) -> None:
    """Raise an error of a kind, before any work is done, if no file can be put at ``path``.

    Folders that are not there are not made yet.
    """
    if path.is_dir():
        raise kind(f"{path} is a folder, expected a file for {what}. Add a name to it.")
    parents = path.absolute().parents
    there = next((place for place in parents if place.exists()), parents[-1])
    try:
        with TemporaryFile(dir=there, prefix=".infoflow"):
            pass
    except OSError as error:
        raise kind(
            f"Cannot write {what} to {path}: {there} cannot be written to "
            f"({error.strerror or error}). Choose a folder that you may write to."
        ) from error


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], Any]) -> Path:
    """Let ``write`` make a file beside ``path``, and put it there when it is on the disk.

    Several processes may write to one path: the last one that is complete stays.

    Raises
    ------
    ResultFileError
        If it cannot be written; what was there stays.
    """
    target = file_path("path", path)
    part = target.with_name(f".{target.name[:100]}.{uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(target)
    except OSError as error:
        raise ResultFileError(
            f"Cannot write the result to {target}: {error.strerror or error}. Choose a folder "
            "that you may write to."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target
