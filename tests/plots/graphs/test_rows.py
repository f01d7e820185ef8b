"""Rows: below what is read, and as near to it as can be."""

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from infoflow.plots.graphs import fold
from infoflow.plots.graphs.arms import find_arms
from infoflow.plots.graphs.grid_rows import rows_of
from tests.plots.graphs.nets import graphs
from tests.tiers import examples


def cost(graph: nx.DiGraph, rows) -> int:
    """Return the sum of the lengths, where none is a skip connection and there are no arms."""
    return sum(2 * (rows[target] - rows[source]) for source, target in graph.edges)


#: From a lower to a higher number, so that there are no circles.
edges = st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda edge: edge[0] < edge[1])


@examples(40)
@given(st.lists(edges, min_size=1))
def test_no_place_can_move_to_shorten_the_lines(edges):
    graph = nx.DiGraph(edges)
    rows = rows_of(graph)
    assert min(rows.values()) == 0
    assert all(rows[source] < rows[target] for source, target in graph.edges)
    for name in graph:
        for step in (-1, 1):
            moved = rows | {name: rows[name] + step}
            is_allowed = all(moved[source] < moved[target] for source, target in graph.edges)
            assert not is_allowed or cost(graph, moved) >= cost(graph, rows)


@examples(30)
@given(graph=graphs(20))
def test_streams_run_down_in_the_encoder_and_up_in_decoders(graph):
    folded = fold(graph)
    arms = find_arms(folded)
    rows = rows_of(folded.to_networkx(), arms)
    for stream in folded.streams:
        source, target = stream.source, stream.target
        if arms is None or arms.arms[source] == arms.arms[target] == 0:
            assert rows[source] < rows[target]
        elif arms.arms[source] == arms.arms[target]:
            assert rows[source] > rows[target]


def test_lower_resolutions_lie_lower(unet_graph):
    folded = fold(unet_graph)
    arms = find_arms(folded)
    rows = rows_of(folded.to_networkx(), arms)
    for arm in (0, 1):
        inside = [
            (-stage, rows[name]) for name, stage in arms.stages.items()
            if arms.arms[name] == arm and stage is not None
        ]  # fmt: skip
        for stage, row in inside:
            assert all(row < other for lower, other in inside if lower > stage)


def test_places_without_streams_share_a_row():
    graph = nx.DiGraph()
    graph.add_nodes_from("ab")
    assert rows_of(graph) == {"a": 0, "b": 0}
