"""A result as one text, for checkpoints that hold plain values only."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from infoflow.interface import ResultFileError
from infoflow.results.base import Result
from infoflow.results.files import load

_R = TypeVar("_R", bound=Result)


def packed(result: Result) -> str:
    """Return what :meth:`Result.save` writes as text, compressed, for :func:`unpacked`.

    Examples
    --------
    >>> import infoflow, torch
    >>> graph = infoflow.trace(torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.ones(2, 3))
    >>> unpacked(packed(graph), infoflow.LayerGraph).names
    ('0',)
    """
    with TemporaryDirectory(prefix="infoflow") as folder:
        written = result.save(Path(folder) / "result.nc").read_bytes()
    return base64.b85encode(zlib.compress(written)).decode("ascii")


def unpacked(text: str, kind: type[_R]) -> _R:
    """Return the result that :func:`packed` was given; a ResultFileError where it is damaged."""
    try:
        written = zlib.decompress(base64.b85decode(text))
    except (ValueError, TypeError, zlib.error) as error:
        raise ResultFileError(
            f"The measurements in the state are damaged ({error}). Take the checkpoint from a "
            "complete copy, or start without it."
        ) from error
    with TemporaryDirectory(prefix="infoflow") as folder:
        path = Path(folder) / "result.nc"
        path.write_bytes(written)
        return load(path, kind)
