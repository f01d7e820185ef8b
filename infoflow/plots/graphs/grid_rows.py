"""In which row every place lies, so that the lines between them are short."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

import networkx as nx
import numpy as np
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array

from infoflow.plots.graphs.arms import Arms

#: What a row between the two ends of a stream costs: of a skip connection between arms, of the
#: main stream within an arm, and of all others.
_BRIDGE, _MAIN, _OTHER = 4.0, 2.0, 1.0


def rows_of(graph: nx.DiGraph, arms: Arms | None = None) -> dict[str, int]:
    """Return the row of every place, from 0 at the top.

    Without arms, all streams run down. With them, arm 0 runs down and the others up, streams
    between arms are as level as can be, and in each arm one resolution lies below the next. The
    rows are the solution of a linear program: the weighted sum of the rows between the ends of all
    streams is least, where each place lies at least a row beyond those that it reads in its own
    arm. It has integer solutions, as the constraints are differences.

    Parameters
    ----------
    graph
        Places and streams; no circles.
    arms
        The arms of a U; None where there is none.

    Returns
    -------
    dict of str to int

    References
    ----------
    .. [1] E. R. Gansner, E. Koutsofios, S. C. North and K.-P. Vo, "A technique for drawing directed
       graphs", IEEE Transactions on Software Engineering 19(3), 1993, Section 2.

    Examples
    --------
    >>> graph = nx.DiGraph([("in", "conv"), ("conv", "add"), ("in", "add")])
    >>> rows_of(graph)
    {'in': 0, 'conv': 1, 'add': 2}
    """
    if graph.number_of_edges() == 0:
        return dict.fromkeys(graph, 0)
    arm = arms.arms if arms else dict.fromkeys(graph, 0)
    place = {name: number for number, name in enumerate(graph)}
    program = _Program(len(place) + graph.number_of_edges())
    for number, (source, target, about) in enumerate(graph.edges(data="about")):
        # a variable of its own for the number of rows between the two ends
        length = len(place) + number
        upper, lower = place[source], place[target]
        if arm[source] or arm[target]:
            upper, lower = lower, upper
        is_within = arm[source] == arm[target]
        program.at_least({lower: 1, upper: -1, length: -1 if is_within else 1}, 0)
        program.at_least({lower: -1, upper: 1, length: 1}, 0)
        if is_within:
            program.at_least({length: 1}, 1)
        is_skip = about is not None and about.is_skip
        costly = _BRIDGE if is_skip else _MAIN
        program.cost[length] = costly if is_skip != is_within else _OTHER
    for above, below in _stacked(graph, arms) if arms else ():
        program.at_least({place[below]: 1, place[above]: -1}, 1)
    found = program.solve()[: len(place)]
    return {name: int(found[number] - found.min()) for name, number in place.items()}


def _stacked(graph: nx.DiGraph, arms: Arms) -> Iterator[tuple[str, str]]:
    """Yield pairs of which the first is of the next resolution above the second, in one arm."""
    for arm in sorted(set(arms.arms.values())):
        stages: dict[int, list[str]] = {}
        for name in graph:
            stage = arms.stages[name]
            if arms.arms[name] == arm and stage is not None:
                stages.setdefault(stage, []).append(name)
        pairs = [
            pair
            for low, high in pairwise(sorted(stages))
            for pair in product(stages[high], stages[low])
        ]
        flow = nx.DiGraph(graph.subgraph(name for name in graph if arms.arms[name] == arm))
        flow.add_edges_from(pair if arm == 0 else pair[::-1] for pair in pairs)
        # a net may go back to a resolution within an arm
        if nx.is_directed_acyclic_graph(flow):
            yield from pairs


class _Program:
    """Least cost of nonnegative variables under inequalities."""

    def __init__(self, variables: int) -> None:
        self.cost = np.zeros(variables)
        self._rows: list[dict[int, int]] = []
        self._bounds: list[int] = []

    def at_least(self, factors: dict[int, int], bound: int) -> None:
        self._rows.append(factors)
        self._bounds.append(bound)

    def solve(self) -> np.ndarray:
        entries = [(f, row, v) for row, fs in enumerate(self._rows) for v, f in fs.items()]
        factors, rows, variables = zip(*entries, strict=True)
        shape = len(self._rows), len(self.cost)
        places = np.array(rows, np.int32), np.array(variables, np.int32)  # HiGHS takes no others
        matrix = csr_array((np.array(factors, float), places), shape)
        found = milp(self.cost, constraints=LinearConstraint(matrix, lb=np.array(self._bounds)))
        return np.round(np.asarray(found.x))
