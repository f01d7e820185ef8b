"""Lanes: lines of different places never share one where they run side by side."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from infoflow.plots.graphs import fold
from infoflow.plots.graphs.cells import Cell, Grid, lay_out
from infoflow.plots.graphs.tracks import find_tracks, is_hidden, is_level, share_lanes
from tests.plots.graphs.nets import graph_of, graphs
from tests.tiers import examples

spans = st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(spans, min_size=1, max_size=15).map(lambda found: dict(enumerate(found))))
def test_spans_in_one_lane_do_not_overlap(found):
    lanes = share_lanes(found)
    assert set(lanes) == set(found)
    for a, b in combinations(found, 2):
        if lanes[a] == lanes[b]:
            assert found[a][1] <= found[b][0] or found[b][1] <= found[a][0]
    assert set(lanes.values()) == set(range(1 + max(lanes.values())))


@examples(25)
@given(graph=graphs(), aspect=st.sampled_from([1.5, 4.0]))
def test_every_stream_has_the_lanes_that_it_runs_in(graph, aspect):
    folded = fold(graph)
    grid = lay_out(folded, aspect)
    tracks = find_tracks(folded, grid)
    for stream in folded.streams:
        wire = stream.source, stream.is_skip
        start, end = grid.cells[stream.source], grid.cells[stream.target]
        if (stream.source, stream.target) in grid.direct:
            continue
        if start.column == end.column:
            assert tracks.beside[start.column, wire] < tracks.beside_count(start.column)
        elif not is_level(grid, stream.source, stream.target):
            for gutter in (start.column, end.column - 1):
                assert tracks.between[gutter, wire] < tracks.between_count(gutter)


def test_a_skip_in_one_column_runs_beside_it():
    rows = [
        ("a", "Linear", (8,), ("x",)),
        ("b", "Linear", (8,), ("a",)),
        ("c", "Linear", (8,), ("a", "b")),
    ]
    folded = fold(graph_of(rows))
    tracks = find_tracks(folded, lay_out(folded))
    assert tracks.beside == {(0, ("a", True)): 0}
    assert tracks.between == {}
    assert (tracks.beside_count(0), tracks.between_count(0)) == (1, 0)


def test_a_box_in_the_same_row_hides_a_side():
    cells = {"a": Cell(0, 0, 0), "b": Cell(0, 0, 1), "c": Cell(1, 0, 0), "d": Cell(1, 0, 1)}
    falling = Grid(cells)
    assert is_hidden(falling, "a", 1)
    assert not is_hidden(falling, "a", -1)
    assert is_level(falling, "b", "c")
    assert not is_level(falling, "a", "c")
    rising = Grid(cells, rising=frozenset({1}))
    assert is_hidden(rising, "c", -1)
    assert not is_level(rising, "b", "c")
    assert is_level(rising, "b", "d")
