"""Tables as files."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from common.files import replacing


def write_table(path: Path, header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Write a table of text as CSV."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def spaced(cell: str) -> str:
    """Put a space between a number and its per cent sign.

    Examples
    --------
    >>> spaced("97% of 3")
    '97 % of 3'
    """
    return re.sub(r"(?<=\d)%", " %", cell)
