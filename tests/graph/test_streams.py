"""What is a layer, a stream, a merge, and what only looks like one."""

import operator
from itertools import combinations

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import infoflow
from tests.tiers import examples


class Net(nn.Module):
    """A net whose forward is given as a function of the net and its input."""

    def __init__(self, forward, channels=4):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        self.c = nn.Conv2d(channels, channels, 1)
        self.wide = nn.Conv2d(2 * channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 2.0))
        self.token = nn.Parameter(torch.zeros(1, channels, 1, 8))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def traced(forward, inputs=1):
    example = tuple(torch.rand(2, 4, 8, 8) for _ in range(inputs))
    return infoflow.trace(Net(forward), example)


def kinds(graph):
    return [merge.kind for merge in graph.merges]


LOOK_ALIKES = {
    "scale by a parameter": lambda m, x: m.b(m.a(x) * m.scale),
    "add a parameter": lambda m, x: m.b(m.a(x) + m.scale),
    "add a number": lambda m, x: m.b(m.a(x) + 1.0),
    "concatenate a token": lambda m, x: m.b(torch.cat([m.token.expand(2, 4, 1, 8), m.a(x)], 2)),
    "concatenate one tensor": lambda m, x: m.b(torch.cat([m.a(x)], 1)),
    "add zeros of a shape": lambda m, x: (h := m.a(x), m.b(h + torch.zeros_like(m.b(h))))[1],
    "reshape by another's shape": lambda m, x: m.b(m.a(x).view(x.size(0), 4, 8, 8)),
    "the form of another": lambda m, x: m.b(m.a(x).view_as(m.c(x)).to(m.c(x)).expand_as(m.c(x))),
    "four slices of one tensor": lambda m, x: (
        h := m.a(x),
        m.wide(torch.cat([h[:, :2], h[:, 2:], h[:, :2], h[:, 2:]], 1)),
    )[1],
    "gate of itself": lambda m, x: (h := m.a(x), m.b(h * torch.sigmoid(h)))[1],
    "mask made from a shape": lambda m, x: (
        h := m.a(x),
        m.b(h.masked_fill(torch.ones(8, 8).tril() == 0, 0.0)),
    )[1],
    "dropout and norm": lambda m, x: m.b(F.dropout(m.norm(F.relu(m.a(x))), training=False)),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_look_alikes_are_no_merges(name):
    graph = traced(LOOK_ALIKES[name])
    assert graph.merges == ()
    assert not any(layer.is_merge for layer in graph)


MERGES = {
    "add": lambda m, x: m.a(x) + m.b(x),
    "sub": lambda m, x: x - m.a(x),
    "mul": lambda m, x: m.a(x) * torch.sigmoid(m.b(x)),
    "div": lambda m, x: m.a(x) / (1 + m.b(x).abs()),
    "matmul": lambda m, x: m.a(x) @ m.b(x),
    "maximum": lambda m, x: torch.maximum(m.a(x), m.b(x)),
    "where": lambda m, x: torch.where(m.a(x) > 0, m.b(x), 0.0),
    "attention": lambda m, x: F.scaled_dot_product_attention(m.a(x), m.b(x), m.c(x)),
    "einsum": lambda m, x: torch.einsum("nchw,nchw->nchw", m.a(x), m.b(x)),
    "concat": lambda m, x: m.wide(torch.cat([m.a(x), m.b(x)], 1)),
    "stack": lambda m, x: m.c(torch.stack([m.a(x), m.b(x)], 1).flatten(0, 1)).view(2, 2, 4, 8, 8),
    "add:in place": lambda m, x: operator.iadd(m.a(x), m.b(x)),
}


@pytest.mark.parametrize("name", MERGES)
def test_merges_and_their_kinds(name):
    graph = traced(MERGES[name])
    assert kinds(graph) == [name.split(":")[0]]
    assert len(graph.merges[0].streams) == (3 if name == "attention" else 2)


def test_value_is_measured_after_what_follows_the_layer_alone():
    graph = traced(lambda m, x: m.b(F.relu(m.norm(m.a(x)))))
    assert graph["a"].followed_by == ("BatchNorm2d", "relu")
    values = graph.values(torch.randn(3, 4, 8, 8))
    assert float(values["a"].min()) >= 0.0


def test_value_with_two_readers_is_measured_where_they_part():
    graph = traced(lambda m, x: (h := m.a(x), m.b(F.relu(h)) + h)[1])
    assert graph["a"].followed_by == ()
    assert float(graph.values(torch.randn(3, 4, 8, 8))["a"].min()) < 0.0


def test_norm_and_activation_over_a_bundle_are_edges_of_it():
    """The pre-activation order of DenseNet: concatenate, norm, ReLU, convolve."""
    graph = traced(lambda m, x: m.wide(F.relu(torch.cat([m.a(x), m.b(x)], 1))))
    assert graph["wide"].streams == ("a", "b")
    assert graph["wide"].is_merge


def test_bundles_of_bundles_flatten_and_only_those_that_are_read_count():
    def forward(m, x):
        inner = torch.cat([m.a(x)[:, :2], m.b(x)[:, :2]], 1)
        return m.wide(torch.cat([inner, m.c(x)], 1))

    graph = traced(forward)
    assert [merge.streams for merge in graph.merges] == [("a", "b", "c")]


def test_a_bundle_with_several_readers_is_one_merge():
    def forward(m, x):
        both = torch.cat([m.a(x)[:, :2], m.b(x)[:, :2]], 1)
        return m.c(both), both.mean(), m.c(both)

    graph = traced(forward)
    (merge,) = graph.merges
    assert merge.layers == ("c", "c:2")
    assert graph.outputs == ("c", "a", "b", "c:2")


def test_a_bundle_that_only_the_output_reads_is_a_merge_without_layers():
    graph = traced(lambda m, x: torch.cat([m.a(x), m.b(x)], 1))
    (merge,) = graph.merges
    assert (merge.name, merge.layers, merge.index) == ("output", (), None)
    assert str(merge.skips[0]) == "0→output"


def test_a_module_called_twice_gives_two_layers():
    graph = traced(lambda m, x: m.a(m.a(x)))
    assert [layer.name for layer in graph] == ["a", "a:2"]


def test_the_model_input_can_be_a_stream():
    graph = traced(lambda m, x: x + m.a(x))
    (merge,) = graph.merges
    assert (merge.main, merge.skips[0].source, str(merge.skips[0])) == ("a", "x", "x→1")


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 5), nn.Linear(4, 5)

        def forward(self, one, other, scale=2.0, mask=None):
            return self.left(one) + scale * self.right(other)

    graph = infoflow.trace(Two(), (torch.rand(2, 3), torch.rand(2, 4)))
    assert graph.inputs == ("one", "other")
    assert graph["add"].streams == ("left", "right")
    assert graph.dominators["add"] is None
    assert graph.values(torch.rand(5, 3), torch.rand(5, 4))["add"].shape == (5, 5)


def test_cross_attention_module_is_a_merge_and_self_attention_is_not():
    class Attend(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 8)
            self.itself = nn.MultiheadAttention(8, 2, batch_first=True)
            self.across = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            own = self.itself(self.one(x), self.one(x), self.one(x))[0]
            h = self.one(x)
            own = self.itself(h, h, h)[0]
            return self.across(own, self.other(x), self.other(x))[0]

    graph = infoflow.trace(Attend(), torch.rand(2, 5, 8))
    assert graph["itself:2"].streams == ("one:4",)
    assert not graph["itself:2"].is_merge
    assert graph["across"].is_merge
    assert graph["across"].kind == "MultiheadAttention"


# --------------------------------------------------------------------------- against brute force


@st.composite
def wirings(draw):
    """Random nets: node i reads one earlier node, or adds or concatenates several."""
    wiring = []
    for i in range(draw(st.integers(2, 9))):
        earlier = list(range(-1, i))
        sources = draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3, unique=True))
        wiring.append((draw(st.sampled_from(["conv", "add", "concat"])), tuple(sources)))
    return wiring


class Wired(nn.Module):
    def __init__(self, wiring):
        super().__init__()
        self.wiring = wiring
        self.convs = nn.ModuleList(
            nn.Conv1d(2 * (len(s) if kind == "concat" else 1), 2, 1) for kind, s in wiring
        )

    def forward(self, x):
        values = {-1: x}
        for i, (kind, sources) in enumerate(self.wiring):
            parts = [values[s] for s in sources]
            joined = torch.cat(parts, 1) if kind == "concat" else sum(parts[1:], parts[0])
            values[i] = self.convs[i](joined)
        read = {s for _, sources in self.wiring for s in sources}
        ends = [values[i] for i in range(len(self.wiring)) if i not in read]
        return torch.stack(ends).sum()


@examples(25)
@given(wirings())
def test_dominators_and_main_streams_by_enumeration_of_all_paths(wiring):
    graph = infoflow.trace(Wired(wiring), torch.rand(2, 2, 3))
    plain = graph.to_networkx()
    for name in graph.dominators:
        paths = [set(p[:-1]) for p in nx.all_simple_paths(plain, "x", name)]
        common = set.intersection(*paths) - {"x"}
        nearest = max(common, key=lambda d: graph[d].index, default=None)
        assert graph.dominators[name] == nearest
    for merge in graph.merges:
        if merge.layers and all(layer in plain for layer in merge.layers):
            check_main_stream(graph, plain, merge)


def check_main_stream(graph, plain, merge):
    def longest(start, end):
        lengths = [len(p) for p in nx.all_simple_paths(plain, start, end)] if start != end else [1]
        return max(lengths, default=0)

    shared = [
        set.intersection(*({*p} for p in nx.all_simple_paths(plain, "x", s))) if s != "x" else {"x"}
        for s in merge.streams
    ]
    common = set.intersection(*shared)
    start = max(common, key=lambda d: -1 if d == "x" else graph[d].index)
    assert longest(start, merge.main) == max(longest(start, s) for s in merge.streams)


def test_combinations_of_unet_skips_never_change_the_layers():
    from infoflow.testing import UNet

    for size in (1, 2):
        for skips in combinations(UNet.ALL_SKIPS, size):
            graph = infoflow.trace(UNet(2, skips=skips), torch.rand(1, 3, 16, 16))
            assert sorted(s.replace("→", "->") for s in map(str, graph.skips)) == sorted(skips)


def by_hand(m, x):
    h = m.a(x)
    return m.b(h * torch.sigmoid(h))


def norm_by_hand(m, x):
    h = m.a(x)
    centred = h - h.mean(1, keepdim=True)
    return m.b(centred * torch.rsqrt(centred.pow(2).mean(1, keepdim=True) + 1e-5) * m.scale)


@pytest.mark.parametrize("forward", [by_hand, norm_by_hand])
def test_activations_and_norms_by_hand_belong_to_their_layer(forward):
    graph = traced(forward)
    x = torch.randn(3, 4, 8, 8)
    net = graph.source.model
    seen = []
    net.b.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    values = graph.values(x)
    net(x)
    torch.testing.assert_close(values["a"], seen[-1])
    assert "mul" in graph["a"].followed_by


def test_what_goes_around_a_norm_by_hand_keeps_the_value_before_it():
    def forward(m, x):
        h = m.a(x)
        return m.b(h - h.mean(1, keepdim=True)) + h

    assert traced(forward)["a"].followed_by == ()


# --------------------------------------------------------------------------- names


class Parts(nn.Module):
    """A net of given parts, whose forward is a function of it and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def linear(units=6):
    return nn.Linear(6, units)


class Attention(Parts):
    def forward(self, query, key):
        return self.query(query) + self.key(key)


def test_an_input_may_have_the_name_of_a_module():
    x = torch.rand(3, 6)
    graph = infoflow.trace(Attention(None, query=linear(), key=linear()).eval(), (x, x))
    assert graph.inputs == ("input query", "input key")
    assert graph["query"].streams == ("input query",)
    assert kinds(graph) == ["add"]


def test_a_module_with_the_name_of_the_input_merges_with_it():
    net = Parts(lambda m, x: m.h(x + m.x(x)), x=linear(), h=linear(2)).eval()
    graph = infoflow.trace(net, torch.rand(3, 6))
    assert [merge.streams for merge in graph.merges] == [("input x", "x")]
    assert set(graph.to_networkx()) == {"input x", "x", "add", "h"}


def test_a_weight_of_the_model_itself_names_its_layer():
    net = Parts(
        lambda m, x: m.h(F.linear(torch.cat([m.a(x), m.b(x)], 1), m.weight)),
        a=linear(3),
        b=linear(3),
        h=linear(2),
        weight=nn.Parameter(torch.ones(6, 6)),
    ).eval()
    graph = infoflow.trace(net, torch.rand(3, 6))
    assert graph["weight"].streams == ("a", "b")
    assert [(merge.name, merge.layers) for merge in graph.merges] == [("weight", ("weight",))]
    assert infoflow.trace(linear(), torch.rand(3, 6)).names == ("weight",)


def test_a_module_keeps_its_name_where_an_operation_has_it_too():
    def forward(m, x):
        h = m.a(x)
        h = h + m.b(h)
        return m.add(torch.cat([h, m.b(h)], 1)) + h

    net = Parts(forward, a=linear(), b=linear(), add=nn.Linear(12, 6)).eval()
    graph = infoflow.trace(net, torch.rand(3, 6))
    assert graph["add"].kind == "Linear"
    assert [merge.name for merge in graph.merges] == ["add:2", "add", "add:3"]
