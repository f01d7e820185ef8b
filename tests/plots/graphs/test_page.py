"""Boxes apart from each other, lines around them, and all of it on the axes that were given."""

from itertools import combinations, pairwise, product

import matplotlib.pyplot as plt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch

from infoflow import plots
from infoflow.interface import ArgumentError, LayerNotFoundError
from infoflow.plots.graphs.drawn_page import compose
from infoflow.plots.graphs.fitting import fold_to_page
from infoflow.plots.graphs.page_elements import Box, Page
from infoflow.plots.graphs.wording import measure
from tests.plots.graphs.nets import chain, graph_of, graphs
from tests.tiers import examples

#: Inches that are too little to be seen.
HAIR = 1e-6


def page_of(graph, **settings):
    folded, grid = fold_to_page(graph, **settings)
    return folded, compose(folded, grid, measure(folded, grid).box)


def sides(box: Box) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top."""
    width, height = box.width / 2, box.height / 2
    return box.x - width, box.x + width, box.y - height, box.y + height


def touches(box: Box, start, end) -> bool:
    """Tell whether a level or upright line has a point inside of a box."""
    left, right, bottom, top = sides(box)
    (low_x, high_x), (low_y, high_y) = sorted([start[0], end[0]]), sorted([start[1], end[1]])
    return (
        low_x < right - HAIR
        and high_x > left + HAIR
        and low_y < top - HAIR
        and high_y > bottom + HAIR
    )


def is_on_edge(box: Box, point) -> bool:
    left, right, bottom, top = sides(box)
    inside = left - HAIR <= point[0] <= right + HAIR and bottom - HAIR <= point[1] <= top + HAIR
    at = [point[0] - left, point[0] - right, point[1] - bottom, point[1] - top]
    return inside and min(map(abs, at)) < HAIR


def check_page(folded, page: Page) -> None:
    assert set(page.boxes) == {place.name for place in folded.places}
    assert [line.stream for line in page.lines] == list(folded.streams)
    for a, b in combinations(page.boxes, 2):
        one, other = page.boxes[a], page.boxes[b]
        apart_x = abs(one.x - other.x) - (one.width + other.width) / 2
        apart_y = abs(one.y - other.y) - (one.height + other.height) / 2
        assert max(apart_x, apart_y) > 0.05, (a, b)
    for name, box in page.boxes.items():
        left, right, bottom, top = sides(box)
        assert left >= -HAIR, name
        assert bottom >= 0, name
        assert right <= page.width + HAIR, name
        assert top <= page.height, name
    for line in page.lines:
        check_line(page, line)


def check_line(page: Page, line) -> None:
    source, target = line.stream.source, line.stream.target
    assert is_on_edge(page.boxes[source], line.points[0]), line
    assert is_on_edge(page.boxes[target], line.points[-1]), line
    for start, end in pairwise(line.points):
        assert min(abs(start[0] - end[0]), abs(start[1] - end[1])) < HAIR, line
        assert all(-HAIR <= x <= page.width + HAIR for x in (start[0], end[0])), line
        met = [name for name, box in page.boxes.items() if touches(box, start, end)]
        assert not met, (line, met)


@examples(25)
@given(graph=graphs(), max_places=st.integers(1, 60), aspect=st.sampled_from([0.3, 1.5, 4.0]))
def test_any_net_is_drawn_without_overlap(graph, max_places, aspect):
    check_page(*page_of(graph, max_places=max_places, aspect=aspect))


@pytest.mark.parametrize(
    "options", [{}, {"max_places": 10}, {"unfold": "layer2"}, {"unfold": "all"}]
)
def test_a_resnet_is_drawn_without_overlap(resnet50_graph, options):
    check_page(*page_of(resnet50_graph, **options))


@pytest.mark.parametrize("max_places", [8, 15, 60])
def test_a_unet_is_drawn_without_overlap(unet_graph, max_places):
    check_page(*page_of(unet_graph, max_places=max_places))


def test_the_bridges_of_the_unet_are_labelled_and_level(unet_graph):
    _, page = page_of(unet_graph)
    assert [label.text for label in page.labels] == ["7→11", "5→14", "3→17", "1→20"]
    for label in page.labels:
        line = next(line for line in page.lines if line.stream.skips == (label.text,))
        (start, end) = line.points
        assert start[1] == end[1] == label.y
        assert start[0] < label.x < end[0]


def nested_unet():
    """A decoder that reads another: 1 and 0 are read by both of them."""
    rows = [
        ("e0", 32, "x"), ("e1", 16, "e0"), ("e2", 8, "e1"), ("a1", 16, "e1", "e2"),
        ("a0", 32, "e0", "e1"), ("b0", 32, "e0", "a0", "a1"), ("head", 32, "b0"),
    ]  # fmt: skip
    return graph_of(
        [(name, "Conv2d", (4, side, side), tuple(streams)) for name, side, *streams in rows]
    )


def test_a_skip_to_two_decoders_leaves_its_box_once():
    _, page = page_of(nested_unet())
    skips = [line for line in page.lines if line.stream.source == "e0" and line.stream.is_skip]
    assert len(skips) == 2
    assert len({line.points[0] for line in skips}) == 1
    assert min(len(line.points) for line in skips) == 2


def shared_ways(page: Page):
    """Yield pairs of lines that run on each other though neither of their ends is the same."""
    for one, other in combinations(page.lines, 2):
        if one.stream.source != other.stream.source and one.stream.target != other.stream.target:
            ways = product(pairwise(one.points), pairwise(other.points))
            if any(overlap(*way) > 0.02 for way in ways):
                yield one, other


def overlap(one, other) -> float:
    """Return the length that two level, or two upright, lines have in common."""
    for along, across in ((0, 1), (1, 0)):
        if len({round(point[across], 6) for point in (*one, *other)}) == 1:
            start = max(min(one)[along], min(other)[along])
            return min(max(one)[along], max(other)[along]) - start
    return 0.0


@pytest.mark.parametrize("options", [{}, {"max_places": 10}, {"unfold": "all"}])
def test_no_line_of_a_resnet_runs_on_another(resnet50_graph, options):
    assert not list(shared_ways(page_of(resnet50_graph, **options)[1]))


def test_no_line_of_a_unet_runs_on_another(unet_graph):
    assert not list(shared_ways(page_of(unet_graph)[1]))
    assert not list(shared_ways(page_of(nested_unet())[1]))


def test_lines_past_a_column_have_heights_of_their_own():
    """Streams of six layers in the first column to a layer each in the third one."""
    names = [f"c{n}" for n in range(40)]
    sources = ["x", *names]
    rows = [(name, "Linear", (8,), (sources[n],)) for n, name in enumerate(names)]
    for n in range(6):
        rows[30 + n] = (f"c{30 + n}", "Linear", (8,), (f"c{n}", f"c{29 + n}"))
    _, page = page_of(graph_of(rows))
    assert not list(shared_ways(page))


def test_a_junction_is_drawn_without_overlap():
    rows = [
        ("a", "Linear", (8,), ("x",)),
        ("b", "Linear", (8,), ("x",)),
        ("c", "Linear", (8,), ("a", "b")),
        ("d", "Linear", (8,), ("a", "b")),
        ("e", "Linear", (8,), ("c", "d")),
    ]
    check_page(*page_of(graph_of(rows, shared=("c", "d"))))


# --------------------------------------------------------------------------- on axes


def gids(ax) -> set[str]:
    return {patch.get_gid() for patch in ax.patches if patch.get_gid()}


def test_every_place_and_stream_has_a_box_and_an_arrow(resnet50_graph):
    ax = plots.layer_graph(resnet50_graph, max_places=10, unfold="layer4.2")
    folded, _ = fold_to_page(resnet50_graph, max_places=10, unfold="layer4.2")
    streams = {f"{stream.source}->{stream.target}" for stream in folded.streams}
    assert gids(ax) == {place.name for place in folded.places} | streams
    arrows = {patch.get_gid() for patch in ax.patches if isinstance(patch, FancyArrowPatch)}
    assert arrows == streams


def test_the_axes_that_were_given_are_used(unet_graph):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 5))
    assert plots.layer_graph(unet_graph, right) is right
    assert not left.patches
    assert right.patches
    assert plt.get_fignums() == [figure.number]
    boxes = [patch.get_window_extent() for patch in right.patches]
    frame = right.get_window_extent()
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)
    assert all(frame.y0 - 1 <= box.y0 and box.y1 <= frame.y1 + 1 for box in boxes)


def test_a_new_figure_is_no_larger_than_a_poster():
    figure = plots.layer_graph(chain(400), unfold="all").figure
    assert max(figure.get_size_inches()) <= 30


def test_the_legend_of_a_narrow_drawing_is_within_the_figure():
    names = [f"block{n // 5}.{n % 5}" for n in range(30)]
    sources = ["x", *names]
    rows = [(name, "Linear", (8,), (sources[n],)) for n, name in enumerate(names)]
    rows[-1] = ("head", "Linear", (8,), ("block0.0", "block5.3"))
    ax = plots.layer_graph(graph_of(rows), max_places=8)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "merge", "skip connection", "folded (see unfold=)",
    ]  # fmt: skip
    ax.figure.canvas.draw()
    legend, figure = ax.get_legend().get_window_extent(), ax.figure.bbox
    assert figure.x0 <= legend.x0
    assert legend.x1 <= figure.x1


def test_the_title_counts_layers_and_merges(unet_graph):
    assert plots.layer_graph(unet_graph).get_title() == "UNet: 23 layers, 4 merges"
    assert plots.layer_graph(chain(1)).get_title() == "Net: 1 layer, 0 merges"


def test_wrong_arguments_leave_no_figure(unet_graph):
    with pytest.raises(ArgumentError, match="max_places must be 1 or more, got 0"):
        plots.layer_graph(unet_graph, max_places=0)
    with pytest.raises(
        LayerNotFoundError, match=r"matches 'decodr'. The nearest names are decoder"
    ):
        plots.layer_graph(unet_graph, unfold="decodr", max_places=5)
    assert not plt.get_fignums()
