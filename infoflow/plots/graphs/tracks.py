"""Lanes beside the columns, and between them, in which lines run without covering each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from infoflow.plots.graphs.cells import Grid
from infoflow.plots.graphs.folding import FoldedGraph

Span = tuple[float, float]
_Key = TypeVar("_Key", bound=Hashable)
#: The place that a line comes from, and whether it is a skip connection: such lines share a lane.
Wire = tuple[str, bool]
_Ends = dict[int, dict[Wire, list[float]]]
#: Rows by which the lines in a gutter are longer than the way from box to box.
_BEYOND = 0.4


@dataclass(frozen=True)
class Tracks:
    """Which lanes the lines use.

    Parameters
    ----------
    beside
        ``(column, wire)`` to its lane beside the column, 0 next to the boxes.
    between
        ``(gutter, wire)`` to its lane in the gutter behind the column of that number.
    """

    beside: Mapping[tuple[int, Wire], int]
    between: Mapping[tuple[int, Wire], int]

    def beside_count(self, column: int) -> int:
        """Return the number of lanes beside a column."""
        return 1 + max((lane for (c, _), lane in self.beside.items() if c == column), default=-1)

    def between_count(self, gutter: int) -> int:
        """Return the number of lanes in a gutter."""
        return 1 + max((lane for (g, _), lane in self.between.items() if g == gutter), default=-1)


def is_level(grid: Grid, source: str, target: str) -> bool:
    """Tell whether a straight line joins two places in neighbouring columns."""
    start, end = grid.cells[source], grid.cells[target]
    return (
        start.row == end.row
        and end.column == start.column + 1
        and not is_hidden(grid, source, 1)
        and not is_hidden(grid, target, -1)
    )


def is_hidden(grid: Grid, name: str, side: int) -> bool:
    """Tell whether a box in the same row lies between a place and a side: -1 left, 1 right."""
    cell = grid.cells[name]
    outward = -side if cell.column in grid.rising else side
    return any(
        other.column == cell.column
        and other.row == cell.row
        and (other.slot - cell.slot) * outward > 0
        for other in grid.cells.values()
    )


def find_tracks(folded: FoldedGraph, grid: Grid) -> Tracks:
    """Return lanes for all streams that do not run within the slots of a column.

    Parameters
    ----------
    folded
        Places and streams.
    grid
        Their cells.

    Returns
    -------
    Tracks
    """
    beside: _Ends = defaultdict(lambda: defaultdict(list))
    between: _Ends = defaultdict(lambda: defaultdict(list))
    for stream in folded.streams:
        source, target, wire = stream.source, stream.target, (stream.source, stream.is_skip)
        start, end = grid.cells[source], grid.cells[target]
        if start.column == end.column:
            if (source, target) not in grid.direct:
                beside[start.column][wire] += [start.row, end.row]
        elif not is_level(grid, source, target):
            between[start.column][wire] += [start.row, end.row]
            between[end.column - 1][wire] += [end.row]
    return Tracks(_lanes(beside, 0.0), _lanes(between, _BEYOND))


def _lanes(rows: _Ends, beyond: float) -> dict[tuple[int, Wire], int]:
    spans = {
        place: {wire: (min(ends) - beyond, max(ends) + beyond) for wire, ends in found.items()}
        for place, found in rows.items()
    }
    return {
        (place, wire): lane
        for place, found in spans.items()
        for wire, lane in share_lanes(found).items()
    }


def share_lanes(spans: Mapping[_Key, Span]) -> dict[_Key, int]:
    """Return a lane for each span, so that those in one lane do not overlap; short ones innermost.

    Spans that only touch share a lane: their lines leave and enter a box at different heights.

    Examples
    --------
    >>> share_lanes({"a": (0, 3), "b": (3, 6), "c": (1, 5)})
    {'a': 0, 'b': 0, 'c': 1}
    """
    lanes: list[list[Span]] = []
    found = {}
    for name, span in sorted(spans.items(), key=lambda item: (item[1][1] - item[1][0], item[1])):
        free = (
            number
            for number, others in enumerate(lanes)
            if all(span[1] <= other[0] or other[1] <= span[0] for other in others)
        )
        lane = next(free, len(lanes))
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append(span)
        found[name] = lane
    return found
