"""Frames and results as tables and as numbers to take along."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infoflow.reports.content import Numbers, Table
from infoflow.reports.numerals import anything
from infoflow.results import Result
from infoflow.results.plain import plain

if TYPE_CHECKING:
    import pandas as pd

#: Longer tables begin folded.
LONG = 40
#: Digits of the numbers in a page; the files of results have all of them.
_DIGITS = 7
#: More rows of a frame are left to the download.
_MOST_ROWS = 1000


def table(
    caption: str,
    header: tuple[str, ...],
    rows: Any,
    *,
    numbers: tuple[str, ...] = (),
    folded: str = "",
) -> Table:
    """Return a table; ``numbers`` names the columns that stand at the right."""
    right = frozenset(place for place, name in enumerate(header) if name in numbers)
    return Table(caption, header, tuple(tuple(row) for row in rows), right, folded)


def frame_table(frame: pd.DataFrame, caption: str, folded: str = "") -> Table:
    """Return all columns of a frame, with their units."""
    units = frame.attrs.get("units", {})
    names = [str(name) for name in frame.columns]
    header = tuple(f"{name} ({units[name]})" if name in units else name for name in names)
    shown = frame.head(_MOST_ROWS)
    rows = [[anything(value) for value in row] for row in shown.values.tolist()]
    kinds = enumerate(frame.dtypes)
    right = tuple(header[place] for place, kind in kinds if kind.kind in "fiu")
    left_out = len(frame) - len(shown)
    more = f" The first {_MOST_ROWS:,} of {len(frame):,} rows; the CSV has all." if left_out else ""
    return table(caption + more, header, rows, numbers=right, folded=folded)


def numbers_of(result: Result, name: str, frame: pd.DataFrame | None = None) -> Numbers:
    """Return what a result holds as CSV and as data for JSON."""
    frame = result.to_frame() if frame is None else frame
    columns = {str(key): plain(frame[key].tolist()) for key in frame.columns}
    about = {k: v for k, v in result.dataset.attrs.items() if not k.startswith("infoflow_")}
    data = {
        "kind": result.kind,
        "about": plain(about),
        "units": frame.attrs.get("units", {}),
        "columns": {key: [_short(value) for value in column] for key, column in columns.items()},
    }
    text = frame.to_csv(index=False, float_format=f"%.{_DIGITS}g", lineterminator="\n")
    return Numbers(file_name(name), text, data)


def file_name(text: str) -> str:
    """Return a text as the base name of a file.

    Examples
    --------
    >>> file_name("Model 1 / seed 0")
    'model-1-seed-0'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "numbers"


def _short(value: Any) -> Any:
    """Return a number with fewer digits, and everything else as it is."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
