"""Batches of one sample, and sequences of several lengths."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import infoflow
from infoflow.interface import LoaderError, PaddingWarning

FIXED = {"noise": 1.0, "target": "none", "progress": False}


def kde(values):
    """Return I(X;M) in bits for noise of variance 1, by the formula."""
    flat = values.detach().double().reshape(len(values), -1)
    squared = torch.cdist(flat, flat) ** 2
    nats = np.log(len(flat)) - float((-squared / 2).logsumexp(1).mean())
    return nats / np.log(2)


class Head(nn.Module):
    def __init__(self, end):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.c, self.end = nn.Linear(5, 6), nn.Linear(6, 2), end

    def forward(self, x):
        return self.end(self.c(self.a(x).relu()))


def softmax_of_one(z):
    squeezed = z.squeeze()
    return squeezed.softmax(-1).log() * 3


ENDS = {
    "squeezed to a row": lambda z: z.squeeze(),
    "squeezed and computed with": softmax_of_one,
    "refuses a row": lambda z: z.squeeze().flatten(1),
    "squeezed where it is one": lambda z: z.squeeze(0),
}


@pytest.mark.parametrize("size", [8, 16, 1])
@pytest.mark.parametrize("name", ENDS)
def test_a_last_batch_of_one_counts_like_the_others(name, size):
    net, x = Head(ENDS[name]).eval(), torch.randn(33, 5)
    wanted = kde(net(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = infoflow.analyze(net, list(x.split(size)), **FIXED)
    assert result.ixm.values.ravel()[-1] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("size", [8, 1])
def test_a_head_of_one_number(size):
    net, x = Head(lambda z: z.squeeze()).eval(), torch.randn(33, 5)
    net.c = nn.Linear(6, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = infoflow.analyze(net, list(x.split(size)), **FIXED)
    assert result.ixm.sel(layer="c").item() == pytest.approx(kde(net(x)), abs=1e-4)


def test_a_model_that_takes_one_sample_at_a_time():
    class One(Head):
        def forward(self, x):
            assert len(x) == 1
            return super().forward(x)

    net, x = One(lambda z: z).eval(), torch.randn(12, 5)
    result = infoflow.analyze(net, list(x.split(1)), **FIXED)
    wanted = kde(torch.cat([net(row) for row in x.split(1)]))
    assert result.ixm.sel(layer="c").item() == pytest.approx(wanted, abs=1e-4)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.e, self.l, self.h = nn.Embedding(20, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, ids):
        z = self.e(ids)
        return self.h(z + self.l(z).relu())


def padded(*lengths):
    torch.manual_seed(1)
    return [torch.randint(1, 20, (8, length)) for length in lengths]


@pytest.mark.parametrize("lengths", [(7, 5, 9, 6), (3, 3, 4), (2, 9)])
def test_batches_of_several_lengths_by_their_first_position(lengths):
    net, batches = Tokens().eval(), padded(*lengths)
    result = infoflow.analyze(net, batches, reduce="first", **FIXED)
    for name, wanted in (("h", lambda ids: net(ids)[:, 0]), ("e", lambda ids: net.e(ids)[:, 0])):
        right = kde(torch.cat([wanted(ids) for ids in batches]))
        assert result.ixm.sel(layer=name).item() == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize("reduce", ["mean", "last", -2])
def test_padding_that_counts_is_warned_of(reduce):
    net, batches = Tokens().eval(), padded(5, 7)
    with pytest.warns(PaddingWarning, match=r"several shapes, such as \(5,\) and \(7,\)"):
        result = infoflow.analyze(net, batches, reduce=reduce, **FIXED)
    take = {"mean": lambda v: v.mean(1), "last": lambda v: v[:, -1], -2: lambda v: v[:, -2]}[reduce]
    right = kde(torch.cat([take(net(ids)) for ids in batches]))
    assert result.ixm.sel(layer="h").item() == pytest.approx(right, abs=1e-4)


def test_all_positions_need_one_length():
    with pytest.raises(LoaderError, match=r"pad sequences to one length, or .* reduce='first'"):
        infoflow.analyze(Tokens().eval(), padded(5, 7), target="none", progress=False)


class Recurrent(nn.Module):
    def __init__(self, kind=nn.GRU, **options):
        super().__init__()
        torch.manual_seed(0)
        self.r, self.h = kind(5, 6, **options), nn.Linear(6, 3)

    def forward(self, packed):
        state = self.r(packed)[1]
        state = state[0] if isinstance(state, tuple) else state
        return self.h(state[-1])


@pytest.mark.filterwarnings("ignore::infoflow.interface.UnmeasurableWarning")
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_packed_sequences(kind, is_sorted):
    torch.manual_seed(2)
    net, batches = Recurrent(kind).eval(), []
    for _ in range(3):
        lengths = torch.randint(2, 7, (8,)).tolist()
        lengths = sorted(lengths, reverse=True) if is_sorted else lengths
        rows = [torch.randn(length, 5) for length in lengths]
        batches.append(pack_sequence(rows, enforce_sorted=is_sorted))
    result = infoflow.analyze(net, batches, unpack=lambda packed: (packed, None), **FIXED)
    wanted = kde(torch.cat([net(packed) for packed in batches]))
    assert result.ixm.sel(layer="h").item() == pytest.approx(wanted, abs=1e-4)
