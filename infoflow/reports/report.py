"""``infoflow.report``: one page from any results."""

from __future__ import annotations

import os
from pathlib import Path

from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import file_path, is_flag, shown
from infoflow.reports.document import document, opening
from infoflow.reports.gathering import Results, gathered
from infoflow.reports.page import GENERATOR, page
from infoflow.reports.pictures import Gallery
from infoflow.results.writing import check_writable, replace_file

#: A report names itself this early in its file.
_HEAD = 2000
#: Names of files that hold something else than a page.
_OTHERS = (".pdf", ".nc", ".png", ".svg", ".json", ".csv", ".ipynb", ".docx", ".md")


def report(
    results: Results,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write one self-contained page about results of one net.

    The page begins with the conclusion in words: which streams can go, at what price, and what is
    doubtful. The net as a graph, U-Plots, information planes, the frontier, tables that sort, and
    how everything was made follow. It needs no network and no other file, and may be sent as it is.

    Parameters
    ----------
    results
        A result, several, or a mapping from names to results: of :func:`infoflow.ablate`,
        :func:`infoflow.analyze`, :class:`infoflow.Tracker`, :func:`infoflow.verify_pruning`,
        :func:`infoflow.race`, :func:`infoflow.probe`, or any other. What was joined by
        :func:`infoflow.concat` is shown part by part.
    path
        The file, such as ``"report.html"``.
    title
        Of the page; the name of the model where None.
    overwrite
        Also replace a file that is no report. An older report is always replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ArgumentError
        If there is no result, results are of different nets, or another file is at ``path``.
    ArgumentTypeError
        If something is no result.
    ResultFileError
        If the file cannot be written; what was there stays.

    Examples
    --------
    >>> import infoflow, tempfile, torch
    >>> from infoflow.testing import UNet
    >>> graph = infoflow.trace(UNet(base_channels=2), torch.zeros(1, 3, 32, 32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = infoflow.report(graph, f"{folder}/report.html").read_text()
    >>> "23 layers, 4 merges and 4 skip connections" in page
    True
    """
    target = file_path("path", path)
    is_flag("overwrite", overwrite)
    if title is not None and not isinstance(title, str):
        raise ArgumentTypeError(f"title must be a text, got {shown(title)}.")
    entries = gathered(results)
    check_place(target, overwrite=overwrite)
    check_writable(target, "the page")
    gallery = Gallery()
    made = document(entries, gallery, title)
    text = page(made, gallery.styles, opening(entries))
    return replace_file(target, lambda part: part.write_text(text, encoding="utf-8"))


def check_place(path: Path, *, overwrite: bool) -> Path:
    """Return a path where a report may be written.

    Raises
    ------
    ArgumentError
        If it is a folder, named as another kind of file, or another file that ``overwrite`` does
        not allow to replace.
    """
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder, expected a file to write. Add a name to it.")
    if path.suffix.lower() in _OTHERS:
        raise ArgumentError(
            f"A report is an HTML page, got the name {path.name}. Take {path.stem}.html, and print "
            "it from a browser for a PDF."
        )
    if path.exists() and not overwrite and not is_report(path):
        raise ArgumentError(
            f"{path} exists already and is no report. Choose another path, or pass overwrite=True."
        )
    return path


def is_report(path: Path) -> bool:
    """Tell whether a file is a report that :func:`report` wrote."""
    try:
        with path.open("rb") as file:
            return f'content="{GENERATOR} '.encode() in file.read(_HEAD)
    except OSError:
        return False
