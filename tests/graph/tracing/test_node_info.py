"""Multiply-adds by torch's formulas, without watching the frequent layers."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import infoflow

CASES = {
    "strided and grouped": (nn.Conv2d(4, 8, 3, stride=2, groups=2, padding=1), (3, 4, 9, 9)),
    "transposed": (nn.ConvTranspose2d(4, 8, 2, 2), (3, 4, 9, 9)),
    "transposed and grouped": (nn.ConvTranspose1d(4, 8, 2, 2, groups=2), (3, 4, 9)),
    "three dimensions": (nn.Conv3d(2, 4, (1, 3, 3), dilation=2), (3, 2, 5, 9, 9)),
    "positions": (nn.Linear(5, 3), (3, 7, 5)),
    "attention": (nn.MultiheadAttention(8, 2, batch_first=True), (3, 5, 8)),
}


class Alone(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        if isinstance(self.layer, nn.MultiheadAttention):
            return self.layer(x, x, x)[0]
        return self.layer(x)


@pytest.mark.parametrize("name", CASES)
def test_counted_as_torchs_flop_counter_does(name):
    layer, shape = CASES[name]
    x = torch.rand(shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Alone(layer.train())(x)
    (found,) = infoflow.trace(Alone(layer), x)
    assert found.multiply_adds * len(x) == counter.get_total_flops() // 2


def test_one_sample_without_a_batch_is_counted_too():
    class Unbatched(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(4, 8, 3)

        def forward(self, x):
            return torch.stack([self.layer(image) for image in x])

    graph = infoflow.trace(Unbatched(), torch.rand(2, 4, 9, 9))
    assert graph["layer"].multiply_adds == 4 * 8 * 9 * 49 // 2  # for one of the two samples
