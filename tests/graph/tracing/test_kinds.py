"""Kinds of tensors and of calls that torch has beside the usual ones."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import infoflow
from infoflow.interface import ArgumentError


class Net(nn.Module):
    """A net whose forward is a function of the net and its inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(4, 2)
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, *inputs):
        return self._forward(self, *inputs)


X = torch.rand(3, 6)


def traced(forward, *inputs, **parts):
    return infoflow.trace(Net(forward, **parts).eval(), inputs or (X,))


def test_a_sparse_matrix_in_a_net():
    def forward(m, x):
        return m.c(torch.sparse.mm(m.edges.to_sparse(), m.a(x).t()).t())

    graph = traced(forward, edges=nn.Parameter(torch.eye(4)))
    assert graph.verification.label == "exact"
    assert graph["c"].shape == (2,)


def test_a_sparse_output():
    graph = traced(lambda m, x: m.a(x).to_sparse())
    assert graph.names == ("a",)


def test_a_module_inside_vmap():
    graph = traced(lambda m, x: m.c(m.a(x) + torch.vmap(m.b)(x)))
    assert "c" in graph.names


def test_a_gradient_inside_a_net():
    graph = traced(lambda m, x: m.c(torch.func.grad(lambda v: v.square().sum())(m.a(x))))
    assert graph["c"].streams == ("a",)
    assert graph.verification.label == "exact"


def test_packed_sequences():
    def forward(m, x):
        packed = pack_padded_sequence(x, torch.tensor([5, 4, 2]), batch_first=True)
        return m.c(m.lstm(packed)[1][0][0])

    graph = traced(forward, torch.rand(3, 5, 6), lstm=nn.LSTM(6, 4, batch_first=True))
    assert graph["c"].streams == ("lstm",)


def test_inference_mode_inside_a_net():
    def forward(m, x):
        with torch.inference_mode():
            h = m.a(x)
        return m.c(h + m.b(x))

    assert [merge.streams for merge in traced(forward).merges] == [("a", "b")]


def test_cond_is_an_if_on_values():
    def forward(m, x):
        return m.c(torch.cond(x.sum() > 0, m.a, m.b, (x,)))

    graph = traced(forward)
    assert graph.names == ("a", "c")
    assert graph.verification.label == "this input only"


def test_compiled_parts_are_opened():
    block = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    graph = traced(lambda m, x: m.c(m.a(m.block(x))), block=torch.compile(block))
    assert [layer.kind for layer in graph] == ["Linear"] * 4
    net = Net(lambda m, x: m.c(m.a(x))).eval()
    net.compile()
    assert infoflow.trace(net, X).names == ("a", "c")


def test_a_net_on_the_meta_device():
    with torch.device("meta"):
        net = Net(lambda m, x: m.c(m.a(x) + m.b(x))).eval()
        graph = infoflow.trace(net, torch.rand(3, 6))
    assert graph.verification.label == "not verified"
    assert graph["add"].shape == (4,)


def test_our_own_errors_come_as_they_are():
    with pytest.raises(ArgumentError, match="cannot be called"):
        infoflow.trace(nn.Linear(6, 4), (X, X))


def test_a_single_number_may_come_first_and_an_empty_tensor_last():
    graph = traced(lambda m, t, x, e: m.c(m.a(x) * t), torch.tensor(0.5), X, torch.zeros(0))
    assert graph.verification.label == "exact"
    assert graph["c"].shape == (2,)
