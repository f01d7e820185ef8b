"""No weight acts unseen: modules held anywhere, run by any transform, are layers, or it is told."""

import dataclasses
import functools
import threading
import types
import warnings
import weakref
from collections import deque

import pytest
import torch
from torch import nn
from torch.nn import functional

import infoflow
from infoflow.interface import UnseenWeightsWarning

HELD = {"in a dictionary of the file": nn.Linear(6, 6)}
PARAMETER = nn.Parameter(torch.randn(6, 6) / 3)


def helper(a):
    return HELD["in a dictionary of the file"](a)


class Slots:
    __slots__ = ("net",)

    def __init__(self, net):
        self.net = net

    def run(self, a):
        return self.net(a)


@dataclasses.dataclass
class Config:
    parts: dict


class Net(nn.Module):
    """A residual block whose branch is whatever ``branch`` makes of a hidden module."""

    def __init__(self, branch, hidden=None):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.h = nn.Linear(5, 6), nn.Linear(6, 3)
        branch(self, nn.Linear(6, 6) if hidden is None else hidden)

    def forward(self, x):
        a = self.a(x)
        return self.h(a + self.get(a).relu())


def hold(name):
    def decorated(branch):
        WAYS[name] = branch
        return branch

    return decorated


WAYS = {}


@hold("list in a dictionary")
def _(net, k):
    net.parts = {"blocks": [k]}
    net.get = lambda a: net.parts["blocks"][0](a)


@hold("tuple")
def _(net, k):
    net.parts = (None, k)
    net.get = lambda a: net.parts[1](a)


@hold("queue")
def _(net, k):
    net.parts = deque([k])
    net.get = lambda a: net.parts[0](a)


@hold("slots")
def _(net, k):
    net.get = Slots(k).run


@hold("helper in a helper")
def _(net, k):
    net.config = Config({"deep": Slots(k)})
    net.get = lambda a: net.config.parts["deep"].run(a)


@hold("default argument")
def _(net, k):
    def get(a, own=k):
        return own(a)

    net.get = get


@hold("bound method")
def _(net, k):
    net.get = k.forward


@hold("closure in a closure")
def _(net, k):
    def outer():
        def inner(a):
            return k(a)

        return inner

    net.get = functools.wraps(outer)(outer())


@hold("partial of a helper")
def _(net, k):
    net.get = functools.partial(lambda own, a: own(a), k)


@hold("weak reference")
def _(net, k):
    net.keep, reference = [k], weakref.ref(k)
    net.get = lambda a: reference()(a)


@hold("somebody else's namespace")
def _(net, k):
    net.space = types.SimpleNamespace(k=k)
    net.get = lambda a: net.space.k(a)


@hold("function of the file")
def _(net, k):
    net.get = lambda a: helper(a)


@hold("parameter of the file")
def _(net, k):
    net.get = lambda a: functional.linear(a, PARAMETER)


@hold("parameter in a closure")
def _(net, k):
    net.get = lambda a: a @ k.weight


@hold("vmap of a module")
def _(net, k):
    net.get = lambda a: torch.vmap(k)(a)


@hold("vmap of a function")
def _(net, k):
    net.k = k
    net.get = lambda a: torch.vmap(lambda row: functional.linear(row, net.k.weight))(a)


@hold("vmap in a vmap")
def _(net, k):
    net.k = k
    net.get = lambda a: torch.vmap(lambda row: torch.vmap(net.k)(row[None])[0])(a)


@hold("functional_call")
def _(net, k):
    net.k, net.w = k, nn.Parameter(torch.randn(6, 6) / 3)
    net.get = lambda a: torch.func.functional_call(net.k, {"weight": net.w}, (a,))


@hold("functional_call in vmap")
def _(net, k):
    net.w = nn.Parameter(torch.randn(2, 6, 6) / 3)

    def call(weight, a):
        return torch.func.functional_call(k, {"weight": weight}, (a,))

    net.get = lambda a: torch.vmap(call, in_dims=(0, None))(net.w, a).mean(0)


@hold("gradient of a function")
def _(net, k):
    net.k = k
    net.get = lambda a: torch.func.grad(lambda z: net.k(z).square().sum())(a)


@hold("gradient of each sample")
def _(net, k):
    net.k = k
    each = torch.vmap(torch.func.grad(lambda z: net.k(z).square().sum()))
    net.get = lambda a: each(a)


@hold("derivative along a direction")
def _(net, k):
    net.k = k
    net.get = lambda a: torch.func.jvp(net.k, (a,), (torch.ones_like(a),))[1]


@hold("Jacobian of each sample")
def _(net, k):
    net.k = nn.Sequential(k, nn.Tanh())
    net.get = lambda a: torch.vmap(torch.func.jacrev(net.k))(a).sum(1)


@hold("plain tensor that learns")
def _(net, k):
    net.space = types.SimpleNamespace(weight=torch.randn(6, 6, requires_grad=True))
    net.get = lambda a: functional.linear(a, net.space.weight)


@hold("plain tensor that learns, in a closure")
def _(net, k):
    weight = torch.randn(6, 6, requires_grad=True)
    net.get = lambda a: a @ weight


@hold("recomputed")
def _(net, k):
    net.k = k
    net.get = lambda a: torch.utils.checkpoint.checkpoint(net.k, a, use_reentrant=False)


@hold("function of autograd")
def _(net, k):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, weight):
            return a @ weight

    net.k = k
    net.get = lambda a: Product.apply(a, net.k.weight)


# the first jvp of a process scripts torch's own rules, and torch warns of that
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", WAYS)
def test_the_branch_is_a_layer_and_its_sum_a_merge(name):
    net, x = Net(WAYS[name]).eval(), torch.randn(4, 5)
    graph = infoflow.trace(net, x)
    assert len(graph) == 4
    assert [len(merge.skips) for merge in graph.merges] == [1]
    assert graph.verification.is_exact, graph.verification
    assert graph.verification.unseen == ()
    assert graph.layers[1].parameters >= 36
    values = graph.values(x)
    torch.testing.assert_close(values[graph.names[3]], net(x).detach())


def test_a_hidden_module_of_several_layers_is_opened():
    hidden = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6))
    graph = infoflow.trace(Net(WAYS["slots"], hidden).eval(), torch.randn(4, 5))
    assert [layer.kind for layer in graph] == ["Linear", "Linear", "Linear", "add", "Linear"]


def test_a_hidden_module_can_be_kept_whole_by_its_name():
    hidden = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6))
    net = Net(WAYS["tuple"], hidden).eval()
    graph = infoflow.trace(net, torch.randn(4, 5), leaves=["parts.1"])
    assert graph.names == ("a", "parts.1", "add", "h")


def test_a_stream_in_the_closure_of_a_transformed_function_meets_the_others():
    class Closure(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.h = nn.Linear(5, 6), nn.Linear(5, 6), nn.Linear(6, 2)

        def forward(self, x):
            a, b = self.a(x), self.b(x)
            return self.h(torch.vmap(lambda row: row + b.sum(0))(a))

    graph = infoflow.trace(Closure().eval(), torch.randn(4, 5))
    assert set(graph.merges[0].streams) == {"a", "b"}


class InAThread(nn.Module):
    """Runs a part of itself in a thread of its own, which no recorder follows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.h = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.table = nn.Parameter(torch.randn(1, 6))

    def forward(self, x):
        a, found, mode = self.a(x) + self.table, [], torch.is_grad_enabled()

        def run():
            with torch.set_grad_enabled(mode):
                found.append(self.b(a))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return self.h(a + found[0])


def test_what_cannot_be_seen_is_told():
    graph = infoflow.trace(InAThread().eval(), torch.randn(4, 5))
    assert graph.verification.unseen == ("b.weight",)
    assert not graph.verification.is_exact
    assert any("b.weight: layers and merges are missing" in n for n in graph.verification.notes)
    assert infoflow.LayerGraph.from_dict(graph.to_dict()).verification == graph.verification


def test_what_cannot_be_seen_is_told_of_frozen_weights_too():
    net = InAThread().requires_grad_(False)
    assert infoflow.trace(net, torch.randn(4, 5)).verification.unseen == ("b.weight",)
    assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("look", [infoflow.analyze, infoflow.probe])
def test_measuring_warns_of_it(look):
    data = [(torch.randn(8, 5), torch.arange(8) % 2) for _ in range(4)]
    with pytest.warns(UnseenWeightsWarning, match=r"1 weight acts .* such as b\.weight"):
        look(InAThread().eval(), data, progress=False)


def test_a_weight_that_does_not_act_is_no_matter():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.unused = nn.Linear(5, 6), nn.Linear(5, 6)
            self.positions = nn.Parameter(torch.randn(1, 6))

        def forward(self, x):
            return self.a(x) + self.positions

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = infoflow.trace(Unused().eval(), torch.randn(4, 5))
    assert graph.verification.is_exact
    assert graph.verification.unseen == ()
