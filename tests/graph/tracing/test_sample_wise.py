"""Whether every operation of a program computes a sample by itself."""

import pytest
import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import nn

import infoflow
from infoflow.graph.tracing.sample_wise import is_sample_wise
from infoflow.testing import UNet


def is_known(model, *shape):
    return is_sample_wise(infoflow.trace(model.eval(), torch.rand(2, *shape)).program)


@pytest.mark.parametrize(
    ("model", "side"),
    [
        (UNet(base_channels=4), 32),
        (tv.resnet18(), 64),
        (tv.mobilenet_v3_small(), 64),
        (tv.squeezenet1_1(), 64),
    ],
)
def test_convolutional_nets_are_known(model, side):
    assert is_known(model, 3, side, side)


class Of(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.function(self.first(x))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: torch.cat([x, x.relu()], 1), True),
        (lambda x: torch.flatten(x, 1), True),
        (lambda x: x.mean((2, 3)), True),
        (lambda x: F.interpolate(x, size=(x.shape[2], 5)), True),
        (lambda x: x * torch.sigmoid(x), True),
        (lambda x: x - x.mean(0), False),
        (lambda x: x - x.mean(), False),
        (lambda x: x.mean(-4, keepdim=True) + x, False),
        (lambda x: x.cumsum(0), False),
        (lambda x: x / x.norm(), False),
        (lambda x: F.batch_norm(x, None, None, training=True), False),
        (lambda x: x * x.shape[0], False),
        (lambda x: x.flip(0), False),
        (lambda x: x.softmax(0), False),
        (lambda x: x.permute(1, 0, 2, 3).flatten(1), False),
        (lambda x: x.reshape(4, -1), False),
    ],
)
def test_what_reaches_across_the_batch_is_not(function, expected):
    assert is_known(Of(function), 3, 8, 8) == expected


@pytest.mark.parametrize(
    "module",
    [
        nn.BatchNorm2d(3, track_running_stats=False),
        nn.Flatten(0),
        nn.Softmax(0),
        nn.Sequential(nn.Flatten(), nn.TransformerEncoderLayer(48, 2, batch_first=False)),
    ],
)
def test_modules_that_reach_across_the_batch_are_not(module):
    assert not is_known(module, 3, 4, 4)


def test_two_inputs_are_not_told_apart():
    class Two(nn.Module):
        def forward(self, x, other):
            return x + other

    graph = infoflow.trace(Two(), (torch.rand(2, 3), torch.rand(2, 3)))
    assert not is_sample_wise(graph.program)
