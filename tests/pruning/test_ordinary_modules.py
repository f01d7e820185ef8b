"""A pruned net is an ordinary module: traced, copied, pickled, scripted, trained, loaded."""

import copy
import pickle

import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import PruningError
from tests.graph.running import restless

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A sum and a bundle; ``wrap`` makes a part of something else than a plain layer."""

    def __init__(self, wrap=lambda net: None):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(10, 2)
        wrap(self)

    def forward(self, x):
        a = self.a(x).relu()
        return self.c(torch.cat([a, a + self.b(a)], 1))


def with_low_rank(net):
    net.a, net.b = restless.Merges(5), restless.Merges(5)


def with_a_hidden_part(net):
    hidden = nn.Linear(5, 5)
    del net.b
    object.__setattr__(net, "b", lambda a: hidden(a))


def with_a_hidden_weight(net):
    weight = nn.Parameter(torch.randn(5, 5))
    del net.b
    object.__setattr__(net, "b", lambda a: a @ weight)


def with_hiding_attributes(net):
    net.modules, net.train = [1], {"epochs": 3}


KINDS = [Net, *(lambda w=w: Net(w) for w in (with_low_rank, with_a_hidden_part))]
KINDS += [lambda w=w: Net(w) for w in (with_a_hidden_weight, with_hiding_attributes)]
NAMES = ["plain", "low rank", "hidden part", "hidden weight", "hiding attributes"]


@pytest.fixture(params=KINDS, ids=NAMES)
def slim(request):
    net = request.param()
    nn.Module.train(net, False) if not hasattr(net.train, "items") else None
    merge = next(m for m in infoflow.trace(net, X).merges if m.kind == "concat")
    return infoflow.prune(net, merge.skips[0], X)


def same(one, other):
    return torch.equal(one(X), other(X))


def test_it_is_traced_by_torch(slim):
    assert same(torch.fx.symbolic_trace(slim), slim)


def test_it_is_copied_and_pickled(slim):
    assert same(copy.deepcopy(slim), slim)
    assert same(pickle.loads(pickle.dumps(slim)), slim)
    assert same(pickle.loads(pickle.dumps(copy.deepcopy(slim))), slim)


SLOWER = [pytest.param(kind, marks=pytest.mark.thorough) for kind in KINDS[1:]]


@pytest.mark.parametrize("kind", [KINDS[0], *SLOWER])
def test_it_is_compiled(kind):
    """Its weights are those of the compiled one, under the prefix of torch.compile."""
    net = kind()
    nn.Module.train(net, False)
    merge = next(m for m in infoflow.trace(net, X).merges if m.kind == "concat")
    slim = infoflow.prune(net, merge.skips[0], X)
    compiled = torch.compile(slim, backend="eager")
    torch.testing.assert_close(compiled(X), slim(X))
    prefix = "_orig_mod."
    state = {name.removeprefix(prefix): value for name, value in compiled.state_dict().items()}
    assert list(state) == list(slim.state_dict())
    assert copy.deepcopy(slim).load_state_dict(state).missing_keys == []


def test_it_trains_and_goes_back(slim):
    before = slim(X)
    slim.train()
    assert all(module.training for module in slim.modules())
    slim(X).sum().backward()
    assert all(p.grad is not None for p in slim.parameters())
    slim.eval()
    assert torch.equal(slim(X), before)


def test_its_weights_are_its_own_and_go_both_ways(slim):
    other = copy.deepcopy(slim)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert not same(other, slim)
    assert other.load_state_dict(slim.state_dict()).missing_keys == []
    assert same(other, slim)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_it_is_traced_by_jit_and_exported(slim):
    assert same(torch.jit.trace(slim, X), slim)
    torch.testing.assert_close(torch.export.export(slim, (X,)).module()(X), slim(X))


def test_weights_that_nobody_knew_of_are_copied():
    net = Net(with_a_hidden_weight).eval()
    before = net(X)
    merge = infoflow.trace(net, X).merges[-1]
    slim = infoflow.prune(net, merge.skips[0], X)
    with torch.no_grad():
        for parameter in slim.parameters():
            parameter.zero_()
    assert torch.equal(net(X), before)


def test_a_net_that_differentiates_is_refused():
    class Forces(nn.Module):
        def __init__(self):
            super().__init__()
            self.e, self.r = nn.Linear(5, 1), nn.Linear(5, 5)

        def forward(self, x):
            with torch.enable_grad():
                z = x.detach().requires_grad_(True)
                force = torch.autograd.grad(self.e(z).square().sum(), z)[0]
            return force + self.r(x)

    net = Forces().eval()
    skip = infoflow.trace(net, X).merges[-1].skips[0]
    with pytest.raises(PruningError, match=r"turns gradients on inside its forward"):
        infoflow.prune(net, skip, X, mode="zero")
