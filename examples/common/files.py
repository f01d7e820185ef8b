"""Files that are there whole or not at all, and one sentence about those that are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file where what is read of it in the context is not what was once written."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read as a result of this study ({type(error).__name__}: {error}). "
            "Take it from a complete copy, or measure again."
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write in the place of ``path``, which it replaces when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
