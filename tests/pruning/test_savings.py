"""What a graph says that a stream costs is what a net without it saves, or nothing is said."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import infoflow
from infoflow.interface import PruningError, PruningWarning


class Net(nn.Module):
    """Two convolutions of 8 channels, and what a function makes of them."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.a, self.b, self.t = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1), nn.Linear(64, 8)
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, self.a(x), lambda: self.b(x), x)


def both(a, b):
    return torch.cat([a, b()], 1)


def conv(inputs, size=1):
    return nn.Conv2d(inputs, 4, size)


def tokens(h):
    return h.flatten(2)


def behind_a_norm(m, a, b, x):
    h = both(a, b)
    normed = m.bn(h)
    return m.side(h) + m.two(F.relu(m.one(F.relu(normed))))


CASES = {
    "plain": (lambda m, a, b, x: m.o(both(a, b)), {"o": conv(16)}),
    "pooled and flattened": (
        lambda m, a, b, x: m.o(F.adaptive_avg_pool2d(both(a, b), 2).flatten(1)),
        {"o": nn.Linear(64, 4)},
    ),
    "mean over positions": (
        lambda m, a, b, x: m.o(both(a, b).mean((2, 3))),
        {"o": nn.Linear(16, 4)},
    ),
    "batch norm between": (
        lambda m, a, b, x: m.o(F.relu(m.bn(both(a, b)))),
        {"o": conv(16), "bn": nn.BatchNorm2d(16)},
    ),
    "group norm between": (
        lambda m, a, b, x: m.o(m.gn(both(a, b))),
        {"o": conv(16), "gn": nn.GroupNorm(1, 16)},
    ),
    "softmax between": (lambda m, a, b, x: m.o(both(a, b).softmax(1)), {"o": conv(16)}),
    "normalised between": (lambda m, a, b, x: m.o(F.normalize(both(a, b), dim=1)), {"o": conv(16)}),
    "gate of a norm": (
        lambda m, a, b, x: m.o((h := both(a, b)) * torch.sigmoid(m.gn(h))),
        {"o": conv(16), "gn": nn.GroupNorm(1, 16)},
    ),
    "sum of halves": (
        lambda m, a, b, x: m.o(both(a, b).unflatten(1, (2, 8)).sum(1)),
        {"o": conv(8)},
    ),
    "largest channel": (
        lambda m, a, b, x: m.o(both(a, b).amax(1, keepdim=True)),
        {"o": conv(1)},
    ),
    "pixels shuffled": (
        lambda m, a, b, x: m.o(F.pixel_shuffle(both(a, b), 2)),
        {"o": conv(4)},
    ),
    "tokens turned": (
        lambda m, a, b, x: m.o(torch.cat([tokens(a), tokens(b())], 1).transpose(1, 2)),
        {"o": nn.Conv1d(64, 4, 1)},
    ),
    "norms one in another": (
        lambda m, a, b, x: m.o(m.outer(torch.cat([m.inner(both(a, b)), m.c(x)], 1))),
        {
            "o": conv(24),
            "inner": nn.BatchNorm2d(16),
            "outer": nn.BatchNorm2d(24),
            "c": nn.Conv2d(3, 8, 1),
        },
    ),
    "norm before a branch": (
        behind_a_norm,
        {
            "bn": nn.BatchNorm2d(16),
            "side": conv(16),
            "one": nn.Conv2d(16, 4, 1),
            "two": nn.Conv2d(4, 4, 1),
        },
    ),
    "added to every position": (
        lambda m, a, b, x: a + m.t(x[:, 0].flatten(1))[:, :, None, None],
        {},
    ),
    "difference": (lambda m, a, b, x: a - b(), {}),
    "part of a sum": (lambda m, a, b, x: torch.add(a, b(), alpha=0.5), {}),
    "product": (lambda m, a, b, x: a * b().sigmoid(), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_claimed_is_saved(name):
    torch.manual_seed(0)
    forward, parts = CASES[name]
    net, x = Net(forward, **parts).eval(), torch.rand(2, 3, 8, 8)
    graph = infoflow.trace(net, x)
    assert graph.merges
    for merge in graph.merges:
        for stream in (*merge.skips, *([merge.branch] if merge.branch else [])):
            if stream.parameters is None:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PruningWarning)
                try:
                    saved = infoflow.prune(net, stream, x).pruning
                except PruningError:
                    continue
            assert (saved.parameters, saved.multiply_adds) == (
                stream.parameters,
                stream.multiply_adds,
            ), stream.name


@pytest.mark.parametrize(
    "name", ["plain", "pooled and flattened", "mean over positions", "batch norm between"]
)
def test_where_channels_stay_apart_a_saving_is_claimed(name):
    forward, parts = CASES[name]
    (merge,) = infoflow.trace(Net(forward, **parts).eval(), torch.rand(2, 3, 8, 8)).merges
    assert all(skip.parameters for skip in merge.skips)
