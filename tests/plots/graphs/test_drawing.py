"""What is written on the axes, how large, and in which colours."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import same_color
from matplotlib.patches import FancyArrowPatch

from infoflow import plots
from infoflow.plots.graphs import fold
from infoflow.plots.style import MERGE_COLOUR, SKIP_COLOUR
from tests.plots.graphs.nets import chain


def sizes(ax) -> list[float]:
    return [text.get_fontsize() for text in ax.texts if text.get_text()]


@pytest.mark.parametrize(
    "options", [{}, {"max_places": 10}, {"max_places": 10, "unfold": "layer3"}, {"unfold": "all"}]
)
def test_no_words_of_a_new_figure_are_smaller_than_6_points(resnet50_graph, options):
    assert min(sizes(plots.layer_graph(resnet50_graph, **options))) > 5.99


def test_words_below_3_points_are_left_out_and_indices_stay(unet_graph):
    ax = plots.layer_graph(unet_graph, plt.figure(figsize=(2, 2)).add_subplot())
    words = {text.get_text() for text in ax.texts}
    assert {str(index) for index in range(23)} <= words
    assert "decoder.0.0" not in words
    roomy = plots.layer_graph(unet_graph, plt.figure(figsize=(6, 9)).add_subplot())
    assert "decoder.0.0" in {text.get_text() for text in roomy.texts}
    assert min(sizes(roomy)) >= 3


def test_words_lie_within_their_boxes(resnet50_graph):
    ax = plots.layer_graph(resnet50_graph, max_places=10)
    ax.figure.canvas.draw()
    boxes = [p.get_window_extent() for p in ax.patches if not isinstance(p, FancyArrowPatch)]
    for text in ax.texts:
        words = text.get_window_extent()
        assert any(
            box.x0 - 1 <= words.x0 and words.x1 <= box.x1 + 1
            and box.y0 - 1 <= words.y0 and words.y1 <= box.y1 + 1
            for box in boxes
        ), text.get_text()  # fmt: skip


def test_merges_and_skips_have_their_colours(unet_graph):
    ax = plots.layer_graph(unet_graph)
    patches = {patch.get_gid(): patch for patch in ax.patches if patch.get_gid()}
    folded = fold(unet_graph)
    for place in folded.places:
        edge = patches[place.name].get_edgecolor()
        assert same_color(edge, MERGE_COLOUR) == place.is_merge
    for stream in folded.streams:
        colour = patches[f"{stream.source}->{stream.target}"].get_edgecolor()
        assert same_color(colour, SKIP_COLOUR) == stream.is_skip


def test_the_legend_explains_only_what_occurs(resnet50_graph):
    assert plots.layer_graph(chain(5)).get_legend() is None
    folds = plots.layer_graph(chain(100), max_places=10).get_legend().get_texts()
    assert [text.get_text() for text in folds] == ["folded (see unfold=)"]
