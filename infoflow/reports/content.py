"""What a report holds, before it becomes a page: sections of texts, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Tone = Literal["", "go", "stay", "open"]

#: The tone of each verdict, whatever the question.
_TONES: dict[str, Tone] = {
    "prune": "go",
    "not needed": "go",
    "keep": "stay",
    "needed": "stay",
    "cannot tell": "open",
}


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text
        What is shown.
    order
        The number by which it is sorted; None sorts by the text.
    tone
        ``"go"``, ``"stay"`` or ``"open"`` marks a verdict.
    """

    text: str
    order: float | None = None
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table that sorts.

    Parameters
    ----------
    caption
        What to see in it.
    header
        Titles of the columns.
    rows
        A cell for each column.
    numbers
        Which columns are numbers, and stand at the right.
    folded
        A title to fold it under; empty shows it.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[int] = frozenset()
    folded: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure as SVG.

    Parameters
    ----------
    name
        Unique in the page.
    svg
        The markup.
    width, height
        In pixels, at its natural size.
    caption
        What to see in it.
    alt
        What it is, for those who cannot see it.
    """

    name: str
    svg: str
    width: float
    height: float
    caption: str
    alt: str


@dataclass(frozen=True)
class Words:
    """A paragraph, or a list with a title that folds."""

    lines: tuple[str, ...]
    folded: str = ""


@dataclass(frozen=True)
class Doubt:
    """Something that speaks against a number.

    Parameters
    ----------
    text
        One sentence.
    anchor
        The section that it is about.
    """

    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a result, as they go into the page.

    Parameters
    ----------
    name
        Base name of a file.
    csv
        All rows.
    data
        Lists, strings and numbers, for JSON.
    """

    name: str
    csv: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Parameters
    ----------
    anchor, title
        Its name in links, unique in the page, and its heading.
    summary
        What it adds to the conclusion, one sentence each; shown at the top of the page.
    lead
        What is measured here, in a sentence or two.
    doubts
        What speaks against its numbers.
    items
        Figures, tables and texts.
    numbers
        What can be downloaded.
    """

    anchor: str
    title: str
    lead: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    items: tuple[Table | Picture | Words, ...] = ()
    numbers: tuple[Numbers, ...] = ()

    def at(self, anchor: str, title: str) -> Section:
        """Return the section under another name, to which its doubts point."""
        doubts = tuple(replace(doubt, anchor=anchor) for doubt in self.doubts)
        return replace(self, anchor=anchor, title=title, doubts=doubts)


@dataclass(frozen=True)
class Document:
    """A whole page.

    Parameters
    ----------
    title
        Of the page.
    subtitle
        What it is of.
    sections
        In the order of the page.
    made
        How it was made: a title, and facts by name, for each result.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    made: tuple[tuple[str, dict[str, str]], ...] = field(default=())


def verdict_cell(verdict: str) -> Cell:
    """Return a verdict in its tone.

    Examples
    --------
    >>> verdict_cell("prune").tone, verdict_cell("not needed from epoch 9 on").tone
    ('go', 'go')
    """
    words = next((word for word in _TONES if verdict.startswith(word)), "")
    return Cell(verdict, tone=_TONES.get(words, ""))
