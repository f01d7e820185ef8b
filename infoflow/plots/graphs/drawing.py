"""Boxes, lines and words on Axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.path import Path

from infoflow.plots.graphs.folding import FoldedGraph, Place
from infoflow.plots.graphs.page_elements import LABEL_SIZE, Box, Label, Line, Point
from infoflow.plots.graphs.wording import (
    DETAIL_SIZE,
    END_SIZE,
    INDEX_SIZE,
    NAME_SIZE,
    RANGE_SIZE,
    Widths,
    cut,
    detail_of,
    index_of,
    shortened,
    width_of,
)
from infoflow.plots.style import MERGE_COLOUR, SKIP_COLOUR

STREAM_COLOUR = "#6b7280"
_INK, _MERGE_FILL, _FOLD_FILL, _END_FILL = "#374151", "#fff3ea", "#eef0f3", "#e5e7eb"
#: Radius of the corners of lines, and by how much the sheets of a fold stand out, in inches.
_RADIUS, _SHEET = 0.07, 0.025
#: Words that would be smaller, in points, are left out; indices never are.
_SMALLEST = 3.0


class Pen:
    """Draws on Axes whose data are inches, scaled.

    Parameters
    ----------
    ax
        Axes to draw on.
    scale
        Inches of the figure to an inch of the drawing.
    """

    def __init__(self, ax: Axes, scale: float) -> None:
        self.ax = ax
        self.scale = scale

    def line(self, line: Line) -> None:
        """Draw an arrow along the points of a line; its gid is ``source->target``."""
        is_skip = line.stream.is_skip
        arrow = FancyArrowPatch(
            path=_rounded(line.points),
            arrowstyle="-|>,head_length=0.35,head_width=0.18",
            mutation_scale=9 * self.scale,
            shrinkA=0,
            shrinkB=0,
            linewidth=self.scale,
            color=SKIP_COLOUR if is_skip else STREAM_COLOUR,
            joinstyle="miter",
            zorder=1.5 if is_skip else 1.0,
            gid=f"{line.stream.source}->{line.stream.target}",
        )
        self.ax.add_patch(arrow)

    def box(self, place: Place, box: Box, widths: Widths) -> None:
        """Draw a box with what is written in it; its gid is the name of the place."""
        edge = MERGE_COLOUR if place.is_merge else _INK
        if place.role == "fold":
            for sheet in (2, 1):
                self._rectangle(box, edge, _FOLD_FILL, shift=sheet * _SHEET)
        fill = {"fold": _FOLD_FILL, "layer": "white"}.get(place.role, _END_FILL)
        front = self._rectangle(
            box, edge, _MERGE_FILL if place.is_merge else fill, is_round=not place.layers
        )
        front.set(gid=place.name, linewidth=(1.3 if place.is_merge else 0.8) * self.scale, zorder=2)
        if place.layers:
            self._words(place, box, widths, edge)
        elif place.role == "junction":
            self._text(box.x, box.y, place.label, LABEL_SIZE, color=edge)
        else:
            words = ", ".join([place.label, *dict.fromkeys(place.merges)])
            text = cut(words, END_SIZE, box.width - 0.1)
            self._text(box.x, box.y, text, END_SIZE, style="italic")

    def label(self, label: Label) -> None:
        """Write the name of a skip connection over its line."""
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6 * self.scale}
        self._text(label.x, label.y, label.text, LABEL_SIZE, color=SKIP_COLOUR, bbox=ground)

    def legend(self, folded: FoldedGraph) -> None:
        """Explain the marks that occur, below the drawing."""
        handles = _marks(folded)
        if handles:
            size = NAME_SIZE * self.scale
            self.ax.legend(
                handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=size,
                borderaxespad=0.2,
            )  # fmt: skip

    def _rectangle(
        self, box: Box, edge: str, fill: str, *, shift: float = 0.0, is_round: bool = False
    ) -> FancyBboxPatch:
        corner = box.x - box.width / 2 + shift, box.y - box.height / 2 + shift
        style = f"round,pad=0,rounding_size={0.1 if is_round else 0.04}"
        patch = FancyBboxPatch(
            corner, box.width, box.height, boxstyle=style, facecolor=fill, edgecolor=edge,
            linewidth=0.8 * self.scale, zorder=0.5,
        )  # fmt: skip
        self.ax.add_patch(patch)
        return patch

    def _words(self, place: Place, box: Box, widths: Widths, colour: str) -> None:
        left = box.x - box.width / 2
        index = index_of(place)
        size = INDEX_SIZE if place.role == "layer" else RANGE_SIZE
        at = left + widths.index / 2 + 0.02
        self._text(at, box.y, index, size, color=colour, fontweight="bold", linespacing=1.0)
        name = shortened(place.label, NAME_SIZE, widths.words)
        detail = cut(detail_of(place), DETAIL_SIZE, widths.words)
        left += widths.index + 0.05
        if NAME_SIZE * self.scale >= _SMALLEST:
            self._text(left, box.y + 0.075, name, NAME_SIZE, ha="left")
        if DETAIL_SIZE * self.scale >= _SMALLEST:
            self._text(left, box.y - 0.085, detail, DETAIL_SIZE, ha="left", color=STREAM_COLOUR)

    def _text(self, x: float, y: float, text: str, size: float, **look: Any) -> None:
        look = {"ha": "center", "va": "center", "zorder": 3, **look}
        self.ax.text(x, y, text, fontsize=size * self.scale, parse_math=False, **look)


def legend_width(folded: FoldedGraph) -> float:
    """Return the width in inches of the legend."""
    beside = 5.0 * NAME_SIZE / 72
    return sum(width_of(str(mark.get_label()), NAME_SIZE) + beside for mark in _marks(folded))


def _marks(folded: FoldedGraph) -> list[Artist]:
    """Return an example of each mark that occurs, with what it means as its label."""
    merge = Patch(facecolor=_MERGE_FILL, edgecolor=MERGE_COLOUR, label="merge")
    skip = Line2D([], [], color=SKIP_COLOUR, label="skip connection")
    module = Patch(facecolor=_FOLD_FILL, edgecolor=_INK, label="folded (see unfold=)")
    marks: list[Artist] = [merge] if any(p.is_merge for p in folded.places) else []
    marks += [skip] if any(stream.is_skip for stream in folded.streams) else []
    marks += [module] if folded.folds else []
    return marks


def _rounded(points: Sequence[Point]) -> Path:
    """Return a path along points that turns in arcs."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        reach = min(_RADIUS, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        vertices += [_toward(corner, before, reach), corner, _toward(corner, after, reach)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _toward(start: Point, end: Point, distance: float) -> Point:
    share = distance / (math.dist(start, end) or 1.0)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
