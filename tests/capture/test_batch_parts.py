"""Batches that are run in parts."""

import pytest
import torch
from torch import nn

import infoflow
from infoflow.capture import batch_parts
from infoflow.capture.batch_parts import parts_of
from infoflow.capture.batches import Batch
from infoflow.graph.running.arguments import as_arguments

WIDE = nn.Sequential(nn.Flatten(), nn.Linear(12, 2**18))  # a sample is 1 MB: 8 at a time


class AcrossTheBatch(nn.Module):
    def forward(self, x):
        return x.flatten(1) - x.flatten(1).mean(0)


def batch(model, inputs, start=0):
    call = as_arguments(model, inputs, None)
    return Batch(call, torch.arange(call.samples), start, call.samples)


def sizes(model, inputs):
    graph = infoflow.trace(model, inputs)
    return [part.size for part in parts_of(graph, batch(model, inputs))]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def test_parts_are_of_about_the_same_size_and_in_order():
    x = torch.randn(21, 12)
    parts = list(parts_of(infoflow.trace(WIDE, x), batch(WIDE, x, start=100)))
    assert [part.size for part in parts] == [7, 7, 7]
    assert [part.start for part in parts] == [100, 107, 114]
    assert torch.equal(torch.cat([part.call.args[0] for part in parts]), x)
    assert torch.equal(torch.cat([part.target for part in parts]), torch.arange(21))


def test_more_threads_take_larger_parts(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert sizes(WIDE, torch.randn(32, 12)) == [32]


def test_what_is_small_stays_whole():
    assert sizes(nn.Linear(12, 2), torch.randn(500, 12)) == [500]


def test_a_net_that_looks_across_the_batch_gets_it_whole():
    assert sizes(nn.Sequential(AcrossTheBatch(), WIDE[1]), torch.randn(32, 12)) == [32]


def test_a_batch_with_more_than_rows_stays_whole():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = WIDE[1]

        def forward(self, x, scale):
            return self.wide(x * scale)

    assert sizes(Scaled(), (torch.randn(32, 12), torch.tensor(2.0))) == [32]


def test_a_net_that_draws_random_numbers_gets_it_whole():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = WIDE[1]

        def forward(self, x):
            return self.wide(x + torch.randn_like(x))

    assert sizes(Noisy(), torch.randn(32, 12)) == [32]


@pytest.mark.parametrize("distances", ["exact", "sketch", "anchors"])
def test_numbers_do_not_depend_on_the_parts(monkeypatch, distances):
    net = nn.Sequential(nn.Linear(6, 300), nn.Tanh(), nn.Linear(300, 40))
    x, y = torch.randn(60, 6), torch.arange(60) % 3
    found = []
    for most in (batch_parts._BYTES, 1):
        monkeypatch.setattr(batch_parts, "_BYTES", most)
        found.append(
            infoflow.analyze(net, [(x, y)], noise=5.0, distances=distances, progress=False)
        )
    for name in ("ixm", "iym", "iym_ci_low", "iym_null_high"):
        one, other = (torch.from_numpy(result.dataset[name].values) for result in found)
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


class Capacity(nn.Module):
    """Serves the first 16 samples of a batch only: no trial on few samples meets the limit."""

    def __init__(self):
        super().__init__()
        self.wide = WIDE[1]

    def forward(self, x):
        place = torch.ones_like(x[:, :1]).cumsum(0)
        return self.wide(x) * (place <= 16)


class WithBook(nn.Module):
    """A second input whose first dimension may be that of a batch, by coincidence."""

    def __init__(self):
        super().__init__()
        self.wide = WIDE[1]

    def forward(self, x, book):
        return self.wide(x + (x @ book.T).softmax(1) @ book)


def test_a_limit_that_only_large_batches_meet_keeps_them_whole():
    x = torch.randn(32, 12)
    graph = infoflow.trace(Capacity(), x[:2])
    assert graph.verification.is_exact
    assert [part.size for part in parts_of(graph, batch(Capacity(), x))] == [32]


def test_an_input_of_as_many_rows_by_coincidence_is_not_divided():
    model = WithBook()
    graph = infoflow.trace(model, (torch.randn(2, 12), torch.randn(32, 12)))
    parts = parts_of(graph, batch(model, (torch.randn(32, 12), torch.randn(32, 12))))
    assert [part.size for part in parts] == [32]
