"""Words fit their boxes, and are cut where they say least."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infoflow.plots.graphs import fold
from infoflow.plots.graphs.cells import lay_out
from infoflow.plots.graphs.wording import (
    NAME_SIZE,
    cut,
    detail_of,
    index_of,
    measure,
    shortened,
    width_of,
)
from tests.plots.graphs.nets import graph_of

names = st.lists(st.text("abcxyz019_", min_size=1, max_size=12), min_size=1, max_size=6)


@given(names.map(".".join), st.floats(0.2, 2.0))
def test_a_shortened_name_fits_and_keeps_its_end(name, width):
    short = shortened(name, 7.0, width)
    assert width_of(short, 7.0) <= width
    assert name.endswith(short.removeprefix("…"))
    assert (short == name) == (width_of(name, 7.0) <= width)


@given(st.text("abc ×,123", max_size=30), st.floats(0.2, 2.0))
def test_a_cut_text_fits_and_keeps_its_start(text, width):
    short = cut(text, 6.0, width)
    assert width_of(short, 6.0) <= width
    assert text.startswith(short.removesuffix("…"))


@pytest.mark.parametrize(
    ("width", "short"),
    [
        (2.2, "encoder.layer.0.attention.output.dense"),
        (1.5, "…0.attention.output.dense"),
        (0.6, "…ut.dense"),
    ],
)
def test_a_name_is_cut_at_a_dot_where_that_costs_little(width, short):
    assert shortened("encoder.layer.0.attention.output.dense", 7.0, width) == short


def test_a_fold_shows_its_first_and_last_layer_and_counts(resnet50_graph):
    folded = fold(resnet50_graph, max_places=10)
    assert index_of(folded["layer1"]) == "1\n–13"
    assert detail_of(folded["layer1"]) == "×13 layers, 3 merges"
    assert (index_of(folded["conv1"]), detail_of(folded["conv1"])) == ("0", "Conv2d 64×32×32")
    assert index_of(folded["x"]) == ""


def branches(count: int):
    name = "inception3a.branch{}.0.conv"
    rows = [(name.format(n), "Linear", (8,), ("x",)) for n in range(count)]
    return graph_of([*rows, ("fc", "Linear", (8,), tuple(name.format(n) for n in range(count)))])


@pytest.mark.parametrize("count", [1, 4])
def test_names_of_usual_length_are_not_cut_where_four_branches_lie_side_by_side(count):
    folded = fold(branches(count))
    widths = measure(folded, lay_out(folded))
    label = folded.places[1].label
    assert shortened(label, NAME_SIZE, widths.words) == label


def test_boxes_are_narrower_where_more_lie_side_by_side():
    long = "a_name_that_is_much_longer_than_any_box_is_wide"
    widths = []
    for count in (1, 3, 9):
        rows = [(f"{long}.{n}", "Linear", (8,), ("x",)) for n in range(count)]
        folded = fold(graph_of(rows))
        widths.append(measure(folded, lay_out(folded)).words)
    assert widths == sorted(set(widths), reverse=True)
