"""Which nets are drawn as a U."""

import pytest
import torch
from torchvision.models import VisionTransformer

import infoflow
from infoflow.plots.graphs import fold
from infoflow.plots.graphs.arms import find_arms
from infoflow.testing import UNet
from tests.plots.graphs.nets import chain, graph_of


def test_the_paper_unet_has_two_arms_with_four_bridges(unet_graph):
    folded = fold(unet_graph)
    arms = find_arms(folded)
    index = {place.name: place.layers[0].index for place in folded.places if place.layers}
    assert {index[name] for name, arm in arms.arms.items() if arm == 0 and name in index} == {
        *range(10)
    }
    assert set(arms.arms.values()) == {0, 1}
    bridges = [s for s in folded.streams if arms.arms[s.source] != arms.arms[s.target]]
    assert [s.skips for s in bridges if s.is_skip] == [("7→11",), ("5→14",), ("3→17",), ("1→20",)]
    assert [(index[s.source], index[s.target]) for s in bridges if not s.is_skip] == [(9, 10)]


def test_stages_count_resolutions_from_the_lowest(unet_graph):
    stages = find_arms(fold(unet_graph)).stages
    assert [stages[f"encoder.{n}.0"] for n in range(5)] == [4, 3, 2, 1, 0]
    assert stages["image"] is None


@pytest.mark.parametrize("side", [32, 64])
def test_arms_do_not_depend_on_the_size_of_the_image(side):
    graph = infoflow.trace(UNet(base_channels=2), torch.zeros(1, 3, side, side))
    assert set(find_arms(fold(graph)).arms.values()) == {0, 1}


def test_a_folded_unet_keeps_its_arms(unet_graph):
    folded = fold(unet_graph, max_places=15)
    assert folded.folds
    assert set(find_arms(folded).arms.values()) == {0, 1}


@pytest.mark.parametrize("max_places", [10, 60])
def test_a_resnet_has_no_arms(resnet18_graph, max_places):
    assert find_arms(fold(resnet18_graph, max_places=max_places)) is None


def test_a_vision_transformer_has_no_arms():
    model = VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    assert find_arms(fold(infoflow.trace(model, torch.zeros(1, 3, 32, 32)))) is None


def test_a_chain_has_no_arms():
    assert find_arms(fold(chain(30))) is None


def conv(name, side, *streams):
    return (name, "Conv2d", (4, side, side), streams)


def test_a_net_that_goes_up_and_down_again_has_no_arms():
    """Two hourglasses in a row are no U."""
    sides = [32, 16, 8, 16, 32, 16, 8, 16, 32]
    sources = ["x", *(f"c{n}" for n in range(len(sides)))]
    rows = [conv(f"c{n}", side, sources[n]) for n, side in enumerate(sides)]
    assert find_arms(fold(graph_of(rows))) is None
    assert find_arms(fold(graph_of(rows[:5]))) is None
    assert find_arms(fold(graph_of([*rows[:5], conv("c9", 32, "c4")]))) is not None


def test_a_nested_unet_has_an_arm_for_each_decoder():
    rows = [
        conv("e0", 32, "x"), conv("e1", 16, "e0"), conv("e2", 8, "e1"),
        conv("a1", 16, "e1", "e2"), conv("a0", 32, "e0", "e1"),
        conv("b0", 32, "e0", "a0", "a1"), conv("head", 32, "b0"),
    ]  # fmt: skip
    arms = find_arms(fold(graph_of(rows))).arms
    assert [arms[name] for name in ("e0", "e1", "e2", "a1", "a0", "b0", "head")] == [
        0, 0, 0, 1, 1, 2, 2,
    ]  # fmt: skip
