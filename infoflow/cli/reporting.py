"""``infoflow report``: one page from saved results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infoflow.interface import ArgumentError
from infoflow.results import load
from infoflow.results.writing import check_writable


def write_report(files: Sequence[Path], out: Path, *, title: str | None, overwrite: bool) -> Path:
    """Write the page of all files; what is wrong with ``out`` is told before any is read."""
    from infoflow.reports import report
    from infoflow.reports.report import check_place

    check_writable(out, "the page", ArgumentError)
    if out.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(
            f"--out must end in .html, as pages do, got {out}. Write {out.with_suffix('.html')}."
        )
    _check_place(check_place, out, overwrite=overwrite)
    results = {name: load(file) for name, file in zip(_names(files), files, strict=True)}
    return report(results, out, title=title, overwrite=overwrite)


def _check_place(check: Any, out: Path, *, overwrite: bool) -> None:
    """Say what the option is called where a file is in the way."""
    try:
        check(out, overwrite=overwrite)
    except ArgumentError as error:
        raise ArgumentError(str(error).replace("overwrite=True", "--overwrite")) from error


def _names(files: Sequence[Path]) -> list[str]:
    """Return the names of files without their folders, where these tell them apart."""
    short = [file.name.removesuffix(".nc") for file in files]
    names = short if len(set(short)) == len(short) else [str(file) for file in files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"{twice} is given twice, expected each file once.")
    return names
