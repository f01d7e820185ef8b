"""Residual bits against explicit regressions, and the greedy order of sets."""

import itertools

import pytest
import torch
from torch import nn

import infoflow
from infoflow.capture.batches import Samples
from infoflow.pruning.mending.calibration import Calibration
from infoflow.pruning.mending.reader_moments import reader_moments
from infoflow.pruning.mending.residuals import (
    ReaderMoments,
    greedy_order,
    residual_bits,
    residual_share,
    set_bits,
)
from infoflow.pruning.variants import observe, ready


def correlated(streams, width, channels=4, seed=0, merge="m", ridge=0.0):
    generator = torch.Generator().manual_seed(seed)
    size = streams * width
    mixing = torch.randn(size, size, generator=generator, dtype=torch.float64)
    names = {
        f"s{number}->{merge}": tuple(range(number * width, (number + 1) * width))
        for number in range(streams)
    }
    weight = torch.randn(size, channels, generator=generator, dtype=torch.float64)
    return ReaderMoments(names, mixing @ mixing.T / size + 0.1 * torch.eye(size), weight, ridge)


@pytest.mark.parametrize("gone", [["s0->m"], ["s1->m", "s3->m"]])
def test_share_is_what_a_regression_on_the_streams_that_stay_leaves(gone):
    """The oracle draws samples with exactly that covariance and regresses them."""
    reader = correlated(4, 3)
    rows = torch.linalg.qr(torch.randn(500, 13, dtype=torch.float64))[0]
    rows = torch.linalg.qr(rows - rows.mean(0))[0][:, :12] * 500**0.5
    rows = rows - rows.mean(0)
    features = torch.linalg.qr(rows)[0] * 500**0.5 @ torch.linalg.cholesky(reader.covariance).T
    output = features @ reader.weight
    stays = [n for name, part in reader.streams.items() if name not in gone for n in part]
    fitted = torch.linalg.lstsq(features[:, stays], output).solution
    left = (output - features[:, stays] @ fitted).square().sum(0) / output.square().sum(0)
    torch.testing.assert_close(residual_share(reader, gone), left, rtol=1e-6, atol=1e-9)
    bits = -0.5 * torch.log2(1 - left)
    assert residual_bits([reader], gone) == pytest.approx(float(bits.mean()))


def test_a_set_costs_at_least_as_much_as_its_parts():
    reader = correlated(5, 2, seed=1, ridge=0.01)
    for size in range(1, 4):
        for names in itertools.combinations(reader.streams, size):
            whole = residual_bits([reader], names)
            for part in itertools.combinations(names, size - 1):
                assert residual_bits([reader], part) <= whole + 1e-12


def test_streams_that_stand_in_for_each_other_are_not_both_free():
    """Each of two copies is free alone, and both together are not: sums of singles say 0."""
    covariance = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    streams = {"a->m": (0,), "b->m": (1,), "c->m": (2,)}
    reader = ReaderMoments(streams, covariance, torch.tensor([[1.0], [1.0], [1.0]]), 1e-9)
    assert residual_bits([reader], ["a->m"]) < 1e-6
    assert residual_bits([reader], ["b->m"]) < 1e-6
    # 4 of a variance of 5 go
    assert residual_bits([reader], ["a->m", "b->m"]) == pytest.approx(0.5 * 2.321928, abs=1e-5)


def test_greedy_takes_what_adds_least_and_leaves_no_merge_empty():
    merges = {name: (correlated(3, 2, seed=i, merge=name),) for i, name in enumerate("mno")}
    streams = [stream for (reader,) in merges.values() for stream in reader.streams]
    steps = greedy_order(merges, streams)
    assert len(steps) == 6
    gone = []
    for step in steps:
        allowed = [
            s for s in streams if s not in gone and sum(g.endswith(s[-3:]) for g in gone) < 2
        ]
        best = min(allowed, key=lambda s: set_bits(merges, [*gone, s]))
        assert step.stream == best
        gone.append(step.stream)
        assert step.bits == pytest.approx(set_bits(merges, gone))


class Net(nn.Module):
    """A concatenation that a strided convolution reads, and a sum."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
        self.read = nn.Conv2d(7, 5, 3, stride=2)
        self.branch = nn.Conv2d(5, 5, 1)

    def forward(self, value):
        value = torch.cat([torch.relu(self.a(value)), torch.tanh(self.b(value))], 1)
        value = self.read(value)
        return value + torch.tanh(self.branch(value))


def test_moments_of_a_net_are_those_of_its_unfolded_values():
    torch.manual_seed(0)
    net = Net().double()
    value = torch.randn(12, 2, 9, 9, dtype=torch.float64)
    graph = infoflow.trace(net, value[:2])
    with ready(net):
        footprint = observe(graph.program, graph.source.example)
    calibration = Calibration.of(Samples(list(value.split(5)), model=net))
    found = reader_moments(graph, footprint, calibration, ridge=0.0)
    (read,), (added,) = found["read"], found["add"]
    with torch.no_grad():
        joined = torch.cat([torch.relu(net.a(value)), torch.tanh(net.b(value))], 1)
        columns = nn.functional.unfold(joined, 3, stride=2)
        output = net.read(joined)
        total = output + torch.tanh(net.branch(output))
    columns = columns.unflatten(1, (7, 9)).permute(0, 3, 2, 1).flatten(2).flatten(0, 1)
    torch.testing.assert_close(read.covariance, columns.T.cov(correction=0))
    variance = output.movedim(1, -1).flatten(0, -2).var(0, correction=0)
    torch.testing.assert_close(read.variance, variance)
    assert {name: len(part) for name, part in read.streams.items()} == {
        "a->read": 27,
        "b->read": 36,
    }
    variance = total.movedim(1, -1).flatten(0, -2).var(0, correction=0)
    torch.testing.assert_close(added.variance, variance)
