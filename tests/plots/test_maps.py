"""The values that strips of feature maps show."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow import plots


@pytest.fixture
def image(blobs):
    return blobs.tensors[0][4]


def test_strips_show_the_values_of_the_layers(unet, image):
    axes = plots.feature_maps(unet, image, layers=["output", 1], channels=[0])
    assert list(axes) == ["image", "encoder.0.2", "output"]
    values = infoflow.trace(unet, image[None]).values(image[None])
    for name in ("encoder.0.2", "output"):
        shown = axes[name].images[0].get_array()
        np.testing.assert_array_equal(shown, values[name][0, 0])
    assert axes["output"].get_title("left") == "22  output  1×32×32"


def test_maps_with_channels_last_are_drawn_by_channel(image):
    class ChannelsLast(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 5)

        def forward(self, x):
            return self.linear(x.permute(0, 2, 3, 1))

    net = ChannelsLast()
    ax = plots.feature_maps(net, image, channels=[4])["linear"]
    np.testing.assert_array_equal(ax.images[0].get_array(), net(image[None])[0, :, :, 4].detach())
    assert ax.get_title("left") == "0  linear  32×32×5"


def test_channels_that_vary_most_are_drawn_in_their_order(image):
    net = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False))
    net[0].weight.data = torch.tensor([2.0, 0.0, 3.0, 1.0])[:, None, None, None].expand(4, 3, 1, 1)
    ax = plots.feature_maps(net, image, channels=2)["0"]
    assert [text.get_text() for text in ax.texts] == ["0", "2"]
    total = image.sum(dim=0)
    np.testing.assert_allclose(ax.images[1].get_array(), 3 * total, rtol=1e-5)
    drawn = [text.get_text() for text in plots.feature_maps(net, image)["0"].texts]
    assert drawn == ["0", "1", "2", "3"]


def test_colours_reach_from_the_2nd_to_the_98th_percentile_and_a_flat_channel_is_grey(image):
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    net[0].weight.data[1] = 0.0
    ax = plots.feature_maps(net, image)["0"]
    values = ax.images[0].get_array().data
    assert ax.images[0].get_clim() == pytest.approx(np.percentile(values, [2, 98]), rel=1e-4)
    flat = ax.images[1]
    assert flat.to_rgba(flat.get_array())[..., :3].std() == pytest.approx(0.0, abs=0.02)


def test_merges_are_marked_and_a_graph_is_as_good_as_its_net(unet, image):
    graph = infoflow.trace(unet, image[None])
    axes = plots.feature_maps(graph, image[None], layers="merges", channels=1)
    marked = [
        name for name, ax in axes.items() if ax._left_title.get_color() == plots.style.MERGE_COLOUR
    ]
    assert marked == [graph[number].name for number in (11, 14, 17, 20)]


def test_layers_without_maps_are_left_out(image):
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    net = nn.Sequential(nn.Conv2d(3, 2, 3), net[1:], nn.Identity())
    assert list(plots.feature_maps(net, image)) == ["image", "0"]


def test_wrong_input_gets_one_clear_sentence(unet, image):
    for wrong, match in (
        (image[0], r"shape \(C, H, W\) or \(1, C, H, W\), got \(32, 32\)"),
        (image.numpy(), "got ndarray"),
        (image.expand(3, -1, -1, -1), "must be one image, got 3"),
    ):
        with pytest.raises(ValueError, match=match):
            plots.feature_maps(unet, wrong)
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        plots.feature_maps(unet, image, channels=0)
    for wrong in (2.5, "3"):
        with pytest.raises(ValueError, match=r"channels must be"):
            plots.feature_maps(unet, image, channels=wrong)
    with pytest.raises(ValueError, match=r"model must be an nn\.Module or its graph"):
        plots.feature_maps(None, image)
    with pytest.raises(
        ValueError, match=r"numbers from 0 to 0 for layer output \(22\), which has 1"
    ):
        plots.feature_maps(unet, image, layers="output", channels=[0, 1])
    with pytest.raises(LookupError, match="There is no layer 23"):
        plots.feature_maps(unet, image, layers=23)
    with pytest.raises(ValueError, match=r"No layer of Sequential .* has maps, of shape .*: 1 has"):
        plots.feature_maps(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), torch.rand(1, 3, 4))
    unet.output.weight.data[:] = torch.inf
    with pytest.raises(ValueError, match=r"Layer output \(22\) has NaN or infinite values"):
        plots.feature_maps(unet, image)
