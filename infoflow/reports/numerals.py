"""Numbers as cells and words."""

from __future__ import annotations

import math
from typing import Any

from infoflow.reports.content import Cell

#: Where a number was not measured.
MISSING = "–"


def number(value: float | None, form: str = ".3f", mark: str = "") -> Cell:
    """Return a number in a form, with a mark behind it; a dash where there is none.

    Examples
    --------
    >>> number(1234.5, ",.0f").text, number(None).text
    ('1,234', '–')
    """
    if value is None or not math.isfinite(value):
        return Cell(MISSING)
    text = f"{value:{_without_minus_zero(form)}}"
    return Cell(f"{text} {mark}" if mark else text, _order(text, value, bool(mark)))


def between(low: float | None, high: float | None, form: str = ".2f") -> Cell:
    """Return an interval, sorted by its middle.

    Examples
    --------
    >>> between(0.1, 0.3)
    Cell(text='0.10 to 0.30', order=0.2, tone='')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return Cell(MISSING)
    form = _without_minus_zero(form)
    return Cell(f"{low:{form}} to {high:{form}}", float(f"{(low + high) / 2:.7g}"))


def anything(value: Any) -> Cell:
    """Return any value of a frame as a cell."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Cell(str(value))
    if isinstance(value, int):
        return number(value, ",")
    return number(value, ",.0f" if value == int_of(value) and abs(value) >= 1000 else ".4g")


def int_of(value: float) -> float:
    """Return the whole number nearest to a number, NaN and infinity as they are."""
    return float(round(value)) if math.isfinite(value) else value


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop.

    Examples
    --------
    >>> sentence("one fold")
    'One fold.'
    """
    end = "" if text.endswith((".", "?", "!")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def _without_minus_zero(form: str) -> str:
    """Return a form in which what rounds to zero has no sign."""
    sign = form[:1] if form[:1] == "+" else ""
    return f"{sign}z{form[len(sign) :]}" if form.endswith(("f", "g")) else form


def _order(text: str, value: float, is_marked: bool) -> float | None:
    """Return what to sort by where the text alone does not say it."""
    try:
        is_plain = not is_marked and float(text.replace(",", "")) == value
    except ValueError:
        is_plain = False
    return None if is_plain else float(f"{value:.7g}")
