"""Which dimensions of a layer's value count positions, in real nets and small ones."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import infoflow
from tests import small_nets, tiers


class Met(nn.Module):
    """Two layers of a kind meet after a function has given their values another form."""

    def __init__(self, change, make):
        super().__init__()
        self.change = change
        self.one, self.other = make(), make()

    def forward(self, x):
        return self.change(self.one(x)) + self.change(self.other(x))


MAPS = {
    "as it is": (lambda y: y, (1, 2)),
    "channels last": (lambda y: y.permute(0, 2, 3, 1), (0, 1)),
    "channels last, copied": (lambda y: y.permute(0, 2, 3, 1).contiguous() * 2, (0, 1)),
    "channels in the middle": (lambda y: y.transpose(1, 2), (0, 2)),
    "tokens": (lambda y: y.flatten(2).transpose(1, 2), (0,)),
    "tokens of copies": (lambda y: y.permute(0, 2, 3, 1).reshape(2, 32, 6), (0,)),
    "groups of channels": (lambda y: y.view(2, 2, 3, 8, 4), (2, 3)),
    "windows": (lambda y: y.view(2, 6, 2, 4, 2, 2).permute(0, 2, 4, 3, 5, 1), (0, 1, 2, 3)),
    "a part of the channels": (lambda y: y[:, 1:4].permute(0, 2, 3, 1), (0, 1)),
    "a row": (lambda y: y[:, :, 0], (1,)),
    "one vector": (lambda y: y.flatten(1), ()),
    "one channel": (lambda y: y[:, 0], (0, 1)),
    "one channel that stays": (lambda y: y[:, :1].relu_(), (1, 2)),
    "one channel last": (lambda y: y[:, :1].permute(0, 2, 3, 1).relu_() + 0, (0, 1)),
    "padded": (lambda y: F.pad(y.permute(0, 2, 3, 1), (0, 0, 1, 1)), (0, 1)),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_keep_their_positions_through_views_and_copies(name):
    change, positions = MAPS[name]
    net = Met(change, lambda: nn.Conv2d(3, 6, 3, padding=1))
    graph = infoflow.trace(net, torch.rand(2, 3, 8, 4))
    assert graph[-1].positions == positions


SEQUENCES = {
    "as it is": (lambda y: y, (0,)),
    "heads": (lambda y: y.view(2, 7, 2, 3).transpose(1, 2), (1,)),
    "heads that met again": (
        lambda y: y.view(2, 7, 2, 3).transpose(1, 2).transpose(1, 2).flatten(2),
        (0,),
    ),
    "heads that are mixed": (lambda y: y.view(2, 7, 2, 3).transpose(1, 2).flatten(2), ()),
    "products of heads": (
        lambda y: (lambda h: h @ h.transpose(2, 3))(y.view(2, 7, 2, 3).transpose(1, 2)),
        (1, 2),
    ),
    "attention": (
        lambda y: (lambda h: F.scaled_dot_product_attention(h, h, h))(
            y.view(2, 7, 2, 3).transpose(1, 2)
        ),
        (1,),
    ),
    "attention by hand": (
        lambda y: (lambda h: (h @ h.transpose(2, 3)).softmax(-1) @ h)(
            y.view(2, 7, 2, 3).transpose(1, 2)
        ),
        (1,),
    ),
    "repeated heads": (lambda y: y[:, None].expand(2, 4, 7, 6), (0, 1)),
    "first": (lambda y: y[:, 0], ()),
    "mean": (lambda y: y.mean(1), ()),
    "channels first": (lambda y: y.transpose(1, 2), (1,)),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_keep_theirs_through_heads_and_products(name):
    change, positions = SEQUENCES[name]
    graph = infoflow.trace(Met(change, lambda: nn.Linear(5, 6)), torch.rand(2, 7, 5))
    assert graph[-1].positions == positions


def test_a_1d_convolution_has_its_channels_first():
    graph = infoflow.trace(nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU()), torch.rand(2, 3, 9))
    assert (graph[0].shape, graph[0].positions) == ((4, 7), (1,))


def test_a_sequence_whose_first_dimension_is_time_has_positions():
    class TimeFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4)

        def forward(self, x):
            return self.lstm(x.transpose(0, 1))[0].transpose(0, 1)

    graph = infoflow.trace(TimeFirst(), torch.rand(2, 5, 3))
    assert (graph[0].shape, graph[0].positions) == ((5, 4), (0,))


@pytest.mark.parametrize(
    ("build", "width"),
    [
        (small_nets.convnext, 32),
        (small_nets.swin, 32),
        tiers.thorough(torchvision.models.convnext_tiny, 384),
        tiers.thorough(torchvision.models.swin_t, 384),
    ],
)
def test_nets_with_channels_last_are_averaged_over_their_maps(build, width):
    net = build()
    images = torch.rand(2, 3, 32, 32)
    whole, mean = infoflow.trace(net, images), infoflow.trace(net, images, reduce="mean")
    values, means = whole.values(images), mean.values(images)
    inside = [layer for layer in whole if layer.shape[-1:] == (width,) and len(layer.shape) == 3]
    assert inside
    for layer in inside:
        assert layer.positions == (0, 1)
        torch.testing.assert_close(means[layer.name], values[layer.name].mean(dim=(1, 2)))
        assert (mean[layer.name].shape, mean[layer.name].positions) == ((width,), ())


@pytest.mark.thorough
def test_windows_of_an_attention_are_positions():
    timm = pytest.importorskip("timm")
    net = timm.create_model("swinv2_cr_tiny_224", img_size=64, window_size=4).eval()
    graph = infoflow.trace(net, torch.rand(1, 3, 64, 64))
    rows = [layer for layer in graph if layer.name.endswith("mlp.fc1")]
    assert rows
    assert all(len(row.shape) - len(row.positions) == 1 for row in rows)
    assert all(row.shape[-1] not in [row.shape[at] for at in row.positions] for row in rows)
