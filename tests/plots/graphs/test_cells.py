"""The grid: one place in a cell, streams run down, or up in the arms of a decoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infoflow.plots.graphs import fold
from infoflow.plots.graphs.cells import lay_out
from infoflow.plots.graphs.fitting import fold_to_page
from tests.plots.graphs.nets import chain, graph_of, graphs
from tests.tiers import examples


def check_grid(folded, grid) -> None:
    assert set(grid.cells) == {place.name for place in folded.places}
    assert len(set(grid.cells.values())) == len(grid.cells)
    for cell in grid.cells.values():
        assert min(cell.column, cell.row, cell.slot) >= 0
    for stream in folded.streams:
        start, end = grid.cells[stream.source], grid.cells[stream.target]
        assert start.column <= end.column
        if start.column == end.column:
            assert (end.row < start.row) == (start.column in grid.rising)
            assert end.row != start.row
        else:
            assert (stream.source, stream.target) not in grid.direct


@examples(25)
@given(graph=graphs(), max_places=st.integers(1, 45), aspect=st.sampled_from([0.3, 1.5, 4.0]))
def test_any_net_has_a_grid(graph, max_places, aspect):
    folded = fold(graph, max_places=max_places)
    check_grid(folded, lay_out(folded, aspect))


@pytest.mark.parametrize("unfold", [(), "layer2", "all"])
def test_a_resnet_has_a_grid_without_arms(resnet50_graph, unfold):
    folded = fold(resnet50_graph, unfold=unfold)
    grid = lay_out(folded)
    check_grid(folded, grid)
    assert not grid.rising


def test_the_unet_runs_down_and_up_with_level_bridges(unet_graph):
    folded = fold(unet_graph)
    grid = lay_out(folded)
    check_grid(folded, grid)
    assert (grid.columns, grid.rising) == (2, frozenset({1}))
    for skip in unet_graph.skips:
        assert grid.cells[skip.source].row == grid.cells[skip.merge].row


def test_a_chain_is_one_line_in_each_column():
    grid = lay_out(fold(chain(50)))
    assert grid.columns > 1
    assert {cell.slot for cell in grid.cells.values()} == {0}
    assert grid.columns * grid.rows < 52 + 2 * grid.columns


def test_a_wide_page_has_more_columns():
    columns = [lay_out(fold(chain(50)), aspect).columns for aspect in (0.2, 1.5, 4.0)]
    assert columns == sorted(set(columns))


def long_unet():
    down = [(f"down{side}.{n}", side) for side in (32, 16, 8) for n in range(12)]
    up = [(f"up{side}.{n}", side) for side in (16, 32) for n in range(12)]
    sources = ["x", *(name for name, _ in down + up)]
    return graph_of(
        [
            (name, "Conv2d", (4, side, side), (sources[n],))
            for n, (name, side) in enumerate(down + up)
        ]
    )


def test_arms_are_folded_to_the_height_of_a_page(unet_graph):
    assert lay_out(fold(long_unet())).rows > 24
    folded, grid = fold_to_page(long_unet())
    check_grid(folded, grid)
    assert grid.rising == {1}
    assert grid.rows <= 24
    assert not fold_to_page(unet_graph)[0].folds


def test_branches_of_a_decoder_run_within_its_slots():
    """A short way of two layers beside a long one of three, upwards."""
    names = {
        "down": (32, "x"), "low": (8, "down"), "up": (32, "low"), "long0": (32, "up"),
        "long1": (32, "long0"), "long2": (32, "long1"), "short0": (32, "up"),
        "short1": (32, "short0"), "add": (32, "short1", "long2"),
    }  # fmt: skip
    rows = [
        (name, "Conv2d", (4, side, side), tuple(streams))
        for name, (side, *streams) in names.items()
    ]
    grid = lay_out(fold(graph_of(rows)))
    assert grid.rising == {1}
    assert {grid.cells[name].slot for name in ("short0", "short1")} == {1}
    inside = [name for name in names if grid.cells[name].column == 1]
    streams = {(source, name) for name in inside for source in names[name][1:] if source in inside}
    assert streams | {("add", "(output)")} <= set(grid.direct)
