"""Boxes and lines on a page, in inches: all that is left is to draw them."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from infoflow.plots.graphs.cells import Grid
from infoflow.plots.graphs.folding import FoldedGraph, PlaceStream
from infoflow.plots.graphs.page_elements import LABEL_SIZE, Box, Label, Line, Page, Point
from infoflow.plots.graphs.tracks import Tracks, Wire, find_tracks, is_hidden, is_level
from infoflow.plots.graphs.wording import width_of

#: From row to row, and the heights of boxes for layers, for inputs and outputs, and for junctions.
ROW, HEIGHT, END_HEIGHT, JUNCTION_HEIGHT = 0.56, 0.36, 0.28, 0.22
_SLOT_GAP, _LANE, _APART = 0.16, 0.09, 0.16
#: Above and below the middle of a box, in its heights: where lines leave and arrive at its sides.
_LEAVE, _LEAVE_SKIP, _ARRIVE = 0.4, 0.16, 0.28
#: Heights in the gap between two rows: where lines around a box turn, and where lines pass columns.
_TURN, _PASS = 0.34, (0.38, 0.5, 0.62, 0.44, 0.56, 0.41, 0.47, 0.53, 0.59)


def compose(folded: FoldedGraph, grid: Grid, box_width: float) -> Page:
    """Return where all boxes and lines of a folded graph lie.

    Parameters
    ----------
    folded
        Places and streams.
    grid
        Their cells.
    box_width
        In inches.

    Returns
    -------
    Page
    """
    return _Composer(folded, grid, find_tracks(folded, grid), box_width).page()


def bridge_labels(folded: FoldedGraph, grid: Grid) -> dict[str, str]:
    """Return what is written before each place that skip connections from another arm reach."""
    skips: dict[str, list[str]] = defaultdict(list)
    for stream in folded.streams:
        is_bridge = grid.cells[stream.source].column != grid.cells[stream.target].column
        if grid.rising and is_bridge and stream.is_skip:
            skips[stream.target] += stream.skips
    return {target: _joined(found) for target, found in skips.items()}


def _joined(skips: list[str]) -> str:
    readers = dict.fromkeys(skip.partition("→")[2] for skip in skips)
    if len(skips) > 3 or len(readers) > 1:
        return f"{len(skips)} skips" if len(skips) > 2 else ", ".join(skips)
    sources = (skip.partition("→")[0] for skip in skips)
    short = (source if len(source) <= 10 else f"{source[:9]}…" for source in sources)
    return f"{', '.join(short)}→{next(iter(readers))}"


class _Composer:
    """Coordinates of one drawing."""

    def __init__(self, folded: FoldedGraph, grid: Grid, tracks: Tracks, box_width: float) -> None:
        self.folded = folded
        self.places = {place.name: place for place in folded.places}
        self.grid = grid
        self.tracks = tracks
        self.box_width = box_width
        self.texts = bridge_labels(folded, grid)
        self._passing: dict[int, dict[str, int]] = defaultdict(dict)

    def page(self) -> Page:
        boxes = {
            name: Box(self.slot(cell.column, cell.slot), self.row(cell.row), *self.size(name))
            for name, cell in self.grid.cells.items()
        }
        lines = tuple(Line(stream, tuple(self.line(stream))) for stream in self.folded.streams)
        width = self.lefts[-1] + self.widths[-1]
        return Page(boxes, lines, tuple(self.labels()), width, self.grid.rows * ROW)

    # ------------------------------------------------------------------ coordinates

    @cached_property
    def widths(self) -> list[float]:
        """Width of each column, with the lanes beside it."""
        return [self.slots_width(c) + self.lanes_width(c) for c in range(self.grid.columns)]

    @cached_property
    def lefts(self) -> list[float]:
        """Left side of each column."""
        lefts = [0.0]
        for column in range(self.grid.columns - 1):
            lefts.append(lefts[-1] + self.widths[column] + self.gutter_width(column))
        return lefts

    def slots_width(self, column: int) -> float:
        slots = self.grid.slots(column)
        return slots * self.box_width + (slots - 1) * _SLOT_GAP

    def lanes_width(self, column: int) -> float:
        lanes = self.tracks.beside_count(column)
        return _APART + lanes * _LANE if lanes else 0.0

    def gutter_width(self, gutter: int) -> float:
        return _APART + self.tracks.between_count(gutter) * _LANE + self.label_width(gutter) + 0.2

    def label_width(self, gutter: int) -> float:
        texts = [t for n, t in self.texts.items() if self.grid.cells[n].column == gutter + 1]
        return max((width_of(text, LABEL_SIZE) + 0.1 for text in texts), default=0.0)

    def size(self, name: str) -> tuple[float, float]:
        """Return the width and height of a box."""
        place = self.places[name]
        if place.role == "junction":
            return width_of(place.label, LABEL_SIZE) + 0.2, JUNCTION_HEIGHT
        return self.box_width, HEIGHT if place.layers else END_HEIGHT

    def is_rising(self, column: int) -> bool:
        return column in self.grid.rising

    def slot(self, column: int, slot: int) -> float:
        """Return the middle of a slot."""
        left = self.lefts[column]
        if self.is_rising(column):
            slot = self.grid.slots(column) - 1 - slot
        else:
            left += self.lanes_width(column)
        return left + slot * (self.box_width + _SLOT_GAP) + self.box_width / 2

    def row(self, row: float) -> float:
        return (self.grid.rows - row - 0.5) * ROW

    def lane(self, column: int, wire: Wire) -> float:
        """Return the place across of a lane beside a column."""
        outward = self.slots_width(column) + _APART
        outward += (self.tracks.beside[column, wire] + 0.5) * _LANE
        if self.is_rising(column):
            return self.lefts[column] + outward
        return self.lefts[column] + self.widths[column] - outward

    def between(self, gutter: int, wire: Wire) -> float:
        left = self.lefts[gutter] + self.widths[gutter] + _APART
        return left + (self.tracks.between[gutter, wire] + 0.5) * _LANE

    # ------------------------------------------------------------------ lines

    @cached_property
    def level_wires(self) -> set[Wire]:
        """The wires with a straight line to the next column; their other lines branch off it."""
        return {
            (stream.source, stream.is_skip)
            for stream in self.folded.streams
            if is_level(self.grid, stream.source, stream.target)
        }

    def line(self, stream: PlaceStream) -> list[Point]:
        source, target, wire = stream.source, stream.target, (stream.source, stream.is_skip)
        start, end = self.grid.cells[source], self.grid.cells[target]
        if (source, target) in self.grid.direct:
            return self.direct(source, target)
        if start.column == end.column:
            x = self.lane(start.column, wire)
            side = 1 if self.is_rising(start.column) else -1
            return [*self.leave(wire, side, x), *self.arrive(target, side, x)]
        if is_level(self.grid, source, target):
            return [self.side(source, 1, 0), self.side(target, -1, 0)]
        x = self.between(start.column, wire)
        points = self.leave(wire, 1, x)
        if end.column > start.column + 1:
            y = self.passing(source, target)
            points.append((x, y))
            x = self.between(end.column - 1, wire)
            points.append((x, y))
        return [*points, *self.arrive(target, -1, x)]

    def direct(self, source: str, target: str) -> list[Point]:
        """Return a line from the end of one box to the start of another, through a slot."""
        column = self.grid.cells[source].column
        flow = 1 if self.is_rising(column) else -1
        via = self.slot(column, self.grid.direct[source, target])
        first, last = self.end(source, flow), self.end(target, -flow)
        if first[0] == last[0]:
            return [first, last]
        if via == last[0]:
            y = first[1] + flow * self.offset(source)
        else:
            y = last[1] - flow * self.offset(source)
        return [first, (first[0], y), (last[0], y), last]

    def offset(self, source: str) -> float:
        """Return how far from a box its lines turn: each slot has a height of its own."""
        cell = self.grid.cells[source]
        slots = self.grid.slots(cell.column)
        return (ROW - HEIGHT) * (0.45 + 0.2 * (cell.slot - (slots - 1) / 2) / max(1, slots - 1))

    def end(self, name: str, flow: int) -> Point:
        cell = self.grid.cells[name]
        return self.slot(cell.column, cell.slot), self.row(cell.row) + flow * self.size(name)[1] / 2

    def side(self, name: str, side: int, shift: float) -> Point:
        """Return a point on the left (-1) or right (1) side of a box."""
        cell = self.grid.cells[name]
        width, height = self.size(name)
        x = self.slot(cell.column, cell.slot) + side * width / 2
        return x, self.row(cell.row) + shift * height

    def leave(self, wire: Wire, side: int, x: float) -> list[Point]:
        """Return the way from a box to the height at which it enters the lane at ``x``."""
        name, is_skip = wire
        flow = 1 if self.is_rising(self.grid.cells[name].column) else -1
        if not is_hidden(self.grid, name, side):
            shift = _LEAVE_SKIP if is_skip else _LEAVE
            point = self.side(name, side, 0.0 if wire in self.level_wires else flow * shift)
            return [point, (x, point[1])]
        return self.around(name, side, flow, x)

    def arrive(self, name: str, side: int, x: float) -> list[Point]:
        """Return the way from the lane at ``x`` to a box."""
        flow = 1 if self.is_rising(self.grid.cells[name].column) else -1
        if not is_hidden(self.grid, name, side):
            point = self.side(name, side, -flow * _ARRIVE)
            return [(x, point[1]), point]
        return self.around(name, side, -flow, x)[::-1]

    def around(self, name: str, side: int, flow: int, x: float) -> list[Point]:
        """Return the way to a lane past the boxes of the same row."""
        middle, y = self.end(name, flow)
        start = middle + side * self.size(name)[0] / 4
        turn = y + flow * (ROW - HEIGHT) * _TURN
        return [(start, y), (start, turn), (x, turn)]

    def passing(self, source: str, target: str) -> float:
        """Return the height at which a line passes columns, in the gap before the target."""
        cell = self.grid.cells[target]
        flow = 1 if self.is_rising(cell.column) else -1
        gap = cell.row if flow < 0 else cell.row + 1
        track = self._passing[gap].setdefault(source, len(self._passing[gap]))
        share = _PASS[track % len(_PASS)]
        return self.row(gap - 0.5) + (0.5 - share) * (ROW - HEIGHT)

    # ------------------------------------------------------------------ labels

    def labels(self) -> list[Label]:
        found = []
        for name, text in self.texts.items():
            cell = self.grid.cells[name]
            if is_hidden(self.grid, name, -1):
                continue
            shift = 0.0 if self.has_level_bridge(name) else self.arrival_shift(name)
            x, y = self.side(name, -1, shift)
            found.append(Label(text, x - 0.14 - self.label_width(cell.column - 1) / 2, y))
        return found

    def has_level_bridge(self, name: str) -> bool:
        return any(
            stream.target == name and stream.is_skip and is_level(self.grid, stream.source, name)
            for stream in self.folded.streams
        )

    def arrival_shift(self, name: str) -> float:
        flow = 1 if self.is_rising(self.grid.cells[name].column) else -1
        return -flow * _ARRIVE
