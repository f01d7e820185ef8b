"""Residual bits by Schur complements, against least squares without the streams' features."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.capture.batches import Samples
from infoflow.pruning.ablation.residuals import RIDGE, residuals
from infoflow.pruning.choice import candidates, find_streams
from tests.pruning.variants.running import footprint_of


class Dense(nn.Module):
    """A convolution reads three branches; the third is a linear map of the first two."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 4, 1) for _ in range(3))
        self.last = nn.Conv2d(12, 5, 3, padding=1)

    def forward(self, x):
        return self.last(torch.cat([self.a(x), self.b(x), self.c(x).relu()], 1))


class Summed(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.last = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.a(x).relu() + self.b(x).relu())


def found(net, x, names):
    graph = infoflow.trace(net.eval(), x[:2])
    streams = find_streams(graph, names)
    bench = SimpleNamespace(graph=graph, footprint=footprint_of(graph), model=net, budget=2 * 10**9)
    with torch.no_grad():
        return residuals(bench, streams, Samples([x], model=net).batches()), streams


def windows(value):
    """Return (rows, taps · channels) of 3×3 windows, by position in the window, then by channel."""
    columns = nn.functional.unfold(value, 3, padding=1)
    split = columns.reshape(len(value), value.shape[1], 9, -1).permute(0, 3, 2, 1)
    return split.reshape(-1, 9 * value.shape[1]).double().numpy()


def left_bits(features, targets, gone):
    """Fit targets by ridge regression without some features; return the mean −½ log₂(1 − r)."""
    features, targets = features - features.mean(0), targets - targets.mean(0)
    penalty = RIDGE * (features**2).sum(0).mean()

    def left(kept):
        own = features[:, kept]
        rows = np.vstack([own, np.sqrt(penalty) * np.eye(own.shape[1])])
        wanted = np.vstack([targets, np.zeros((own.shape[1], targets.shape[1]))])
        weight, *_ = np.linalg.lstsq(rows, wanted, rcond=None)
        return ((wanted - rows @ weight) ** 2).sum(0)

    every = np.arange(features.shape[1])
    whole = (targets**2).sum(0)
    base = left(every)
    share = (left(np.setdiff1d(every, gone)) - base) / (whole - base)
    return float((-0.5 * np.log2(1 - share)).mean())


def test_residual_bits_are_those_of_a_least_squares_fit_without_the_channels():
    torch.manual_seed(0)
    net, x = Dense(), torch.randn(32, 3, 6, 6)
    names = ["a->last", "b->last", "c->last"]
    got, _ = found(net, x, names)
    with torch.no_grad():
        value = torch.cat([net.a(x), net.b(x), net.c(x).relu()], 1)
        targets = net.last(value).movedim(1, -1).reshape(-1, 5).double().numpy()
    features = windows(value)
    for size in (1, 2):
        for chosen in itertools.combinations(range(3), size):
            channels = [4 * number + i for number in chosen for i in range(4)]
            gone = np.array([tap * 12 + channel for tap in range(9) for channel in channels])
            wanted = left_bits(features, targets, gone)
            assert got.of_set([names[number] for number in chosen]) == pytest.approx(
                wanted, rel=1e-4
            )


def test_streams_that_others_can_stand_for_have_hardly_any_residual():
    torch.manual_seed(0)
    net, x = Dense(), torch.randn(32, 3, 6, 6)
    got, _ = found(net, x, ["a->last", "b->last", "c->last"])
    # a and b are both linear in three inputs: each can stand for the other, both together not
    alone = [got.of_set(["a->last"]), got.of_set(["b->last"])]
    assert max(alone) < 0.1
    assert got.of_set(["a->last", "b->last"]) > 5 * sum(alone)


def test_of_a_sum_the_operand_that_stays_is_asked_for_the_whole_sum():
    torch.manual_seed(0)
    net, x = Summed(), torch.randn(500, 6)
    got, _ = found(net, x, ["a->add"])
    with torch.no_grad():
        one, other = net.a(x).relu().double().numpy(), net.b(x).relu().double().numpy()
    wanted = left_bits(np.hstack([one, other]), one + other, np.arange(4))
    assert got.of_set(["a->add"]) == pytest.approx(wanted, rel=1e-4)


def test_streams_where_no_regression_is_possible_are_not_known():
    class Gated(Summed):
        def forward(self, x):
            return self.last(self.a(x) * self.b(x).sigmoid())

    net, x = Gated(), torch.randn(20, 6)
    graph = infoflow.trace(net.eval(), x[:2])
    names = [stream.name for merge in graph.merges for stream in candidates(merge)]
    got, _ = found(net, x, names)
    assert not any(got.knows(name) for name in names)
    assert got.of_set(names) == 0
