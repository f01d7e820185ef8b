"""The grid that places lie in: columns of rows of slots."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

from infoflow.plots.graphs.arms import find_arms
from infoflow.plots.graphs.folding import FoldedGraph
from infoflow.plots.graphs.grid_rows import rows_of

#: A line beside the main one keeps its slot free for at most so many rows before and behind it.
_REACH = 6
#: A column of a wrapped net has at least so many rows.
_FEWEST_ROWS = 8
#: Width of a slot and what a column needs besides, in rows.
_SLOT, _LANES = 2.6, 1.2


@dataclass(frozen=True)
class Cell:
    """Where a place lies: slot 0 holds the longest line of a column, others lie beside it."""

    column: int
    row: int
    slot: int


@dataclass(frozen=True)
class Grid:
    """Cells of places.

    Parameters
    ----------
    cells
        The cell of every place.
    rising
        Columns that run up, and are mirrored: slot 0 is on the right. Empty where there is no U.
    direct
        Streams that run within the slots, each with the slot in which it changes rows. All others
        of a column run beside it.
    """

    cells: Mapping[str, Cell]
    rising: frozenset[int] = frozenset()
    direct: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return 1 + max(cell.column for cell in self.cells.values())

    @property
    def rows(self) -> int:
        """Number of rows."""
        return 1 + max(cell.row for cell in self.cells.values())

    def slots(self, column: int) -> int:
        """Return the number of slots of a column."""
        return 1 + max(
            (cell.slot for cell in self.cells.values() if cell.column == column), default=0
        )


def lay_out(folded: FoldedGraph, aspect: float = 1.5) -> Grid:
    """Return the cells of all places: the arms of a U, or else columns like those of a newspaper.

    Parameters
    ----------
    folded
        Places and streams.
    aspect
        Of the page, width by height. Columns come near to it where there is no U.

    Returns
    -------
    Grid
    """
    graph = folded.to_networkx()
    arms = find_arms(folded)
    rows = rows_of(graph, arms)
    columns = arms.arms if arms else _wrapped(graph, rows, aspect)
    rising = frozenset(c for c in columns.values() if c) if arms else frozenset()
    cells: dict[str, Cell] = {}
    direct: dict[tuple[str, str], int] = {}
    for column in sorted(set(columns.values())):
        inside = _part(graph, {name for name in graph if columns[name] == column})
        top = 0 if arms else min(rows[name] for name in inside)
        flow = -1 if column in rising else 1
        slots, within = _slots(inside, {name: flow * rows[name] for name in inside})
        cells |= {name: Cell(column, rows[name] - top, slot) for name, slot in slots.items()}
        direct |= within
    return Grid(cells, rising, direct)


def _part(graph: nx.DiGraph, names: Collection[str]) -> nx.DiGraph:
    """Return a part of a graph in the same order, which views of networkx do not keep."""
    part = nx.DiGraph()
    part.add_nodes_from(name for name in graph if name in names)
    part.add_edges_from((s, t) for s, t in graph.edges if s in names and t in names)
    return part


# --------------------------------------------------------------------------- columns


def _wrapped(graph: nx.DiGraph, rows: Mapping[str, int], aspect: float) -> dict[str, int]:
    """Cut the rows into columns where few streams are cut, near to equal heights."""
    height = 1 + max(rows.values())
    # a few wide rows make few columns wide
    slots = sorted(Counter(rows.values()).values())[-1 - height // 10]
    width = _SLOT * slots + _LANES
    columns = max(1, min(height // _FEWEST_ROWS, round(math.sqrt(aspect * height / width))))
    each = height / columns
    cuts = [_cut(graph, rows, each * number, each) for number in range(1, columns)]
    return {name: sum(row >= cut for cut in cuts) for name, row in rows.items()}


def _cut(graph: nx.DiGraph, rows: Mapping[str, int], wanted: float, height: float) -> int:
    """Return the row near to ``wanted`` before which the fewest places are read across."""

    def cost(cut: int) -> float:
        crossing = {s for s, t in graph.edges if rows[s] < cut <= rows[t]}
        return len(crossing) + 2 * abs(cut - wanted) / height

    reach = height / 4
    return min(range(math.ceil(wanted - reach), math.floor(wanted + reach) + 1), key=cost)


# --------------------------------------------------------------------------- slots


@dataclass(frozen=True)
class _Line:
    """Places below each other, and the rows that no other line may use in the same slot."""

    names: Sequence[str]
    first_row: int
    last_row: int


def _slots(
    inside: nx.DiGraph, rows: Mapping[str, int]
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return the slot of each place of a column, and the streams that run within the slots."""
    longest, *others = _lines(inside, rows)
    order = list(inside)
    lines = [longest, *sorted(others, key=lambda line: order.index(line.names[0]))]
    taken: list[list[_Line]] = []
    slots: dict[str, int] = {}
    for line in lines:
        free = (
            number
            for number, others in enumerate(taken)
            if all(line.last_row < o.first_row or o.last_row < line.first_row for o in others)
        )
        slot = next(free, len(taken))
        if slot == len(taken):
            taken.append([])
        taken[slot].append(line)
        slots |= dict.fromkeys(line.names, slot)
    return slots, _direct(inside, rows, lines, slots)


def _lines(inside: nx.DiGraph, rows: Mapping[str, int]) -> list[_Line]:
    """Split a column into paths, always taking the longest of what is left."""
    left = _part(inside, set(inside))
    lines = []
    while left:
        names = nx.dag_longest_path(left)
        left.remove_nodes_from(names)
        before = [rows[s] + 1 for s in inside.predecessors(names[0])]
        behind = [rows[t] - 1 for t in inside.successors(names[-1])]
        first, last = rows[names[0]], rows[names[-1]]
        first_row, last_row = min([first, *before]), max([last, *behind])
        lines.append(
            _Line(
                names,
                first_row if first - first_row <= _REACH else first,
                last_row if last_row - last <= _REACH else last,
            )
        )
    return lines


def _direct(
    inside: nx.DiGraph,
    rows: Mapping[str, int],
    lines: Sequence[_Line],
    slots: Mapping[str, int],
) -> dict[tuple[str, str], int]:
    """Return the streams between neighbours, and those into and out of the ends of lines."""
    line_of = {name: line for line in lines for name in line.names}
    follows = {pair for line in lines for pair in pairwise(line.names)}
    direct = {}
    for source, target in inside.edges:
        start, end = line_of[source], line_of[target]
        is_next = (source, target) in follows or rows[target] == rows[source] + 1
        if is_next or (target == end.names[0] and rows[source] + 1 >= end.first_row):
            direct[source, target] = slots[target]
        elif source == start.names[-1] and rows[target] - 1 <= start.last_row:
            direct[source, target] = slots[source]
    return direct
