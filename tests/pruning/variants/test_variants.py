"""A variant gives what the whole net gives when the streams are left out of a run of its own."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import infoflow
from infoflow.interface import ArgumentError, PruningError
from infoflow.pruning.choice import StreamNames, streams_of
from infoflow.pruning.variants import silenced, variant_of
from tests.pruning.test_random_prune import Streams, recipes, removable
from tests.pruning.variants.running import (
    footprint_of,
    outputs,
    pruned_outputs,
    silenced_outputs,
)
from tests.tiers import examples


@examples(12)
@given(recipe=recipes())
def test_all_variants_of_a_random_net_are_the_net_without_the_stream(recipe):
    torch.manual_seed(0)
    net = Streams(recipe).eval()
    x, more = torch.randn(2, 3, 6, 6), torch.randn(5, 3, 6, 6)
    streams = removable(net)
    graph = infoflow.trace(net, x)
    found = silenced_outputs(graph, [name for name, *_ in streams], x, more)
    for batch, (whole, variants) in zip((x, more), found, strict=True):
        torch.testing.assert_close(whole, net(batch), rtol=0, atol=0)
        for (_, step, place), got in zip(streams, variants, strict=True):
            torch.testing.assert_close(got, net(batch, without=(step, place)))


@examples(8)
@given(recipe=recipes(), choice=st.integers(0, 10))
def test_a_pruned_net_as_a_variant_computes_what_it_computes_itself(recipe, choice):
    torch.manual_seed(0)
    net = Streams(recipe).eval()
    x, more = torch.randn(2, 3, 6, 6), torch.randn(5, 3, 6, 6)
    streams = removable(net)
    name = streams[choice % len(streams)][0]
    slim, _, found = pruned_outputs(net, infoflow.trace(net, x), name, x, more)
    for batch, got in zip((x, more), found, strict=True):
        torch.testing.assert_close(got, slim(batch))


@examples(8)
@given(recipe=recipes(), first=st.integers(0, 10), second=st.integers(0, 10))
def test_two_streams_together_are_the_pruned_net(recipe, first, second):
    torch.manual_seed(0)
    net = Streams(recipe).eval()
    x = torch.randn(2, 3, 6, 6)
    streams = removable(net)
    names = sorted({streams[n % len(streams)][0] for n in (first, second)})
    graph = infoflow.trace(net, x)
    try:
        slim = infoflow.prune(net, StreamNames.of(names, graph))
    except PruningError:
        with pytest.raises(PruningError):
            silenced_outputs(graph, [StreamNames.of(names, graph)], x)
        return
    ((_, (got,)),) = silenced_outputs(graph, [StreamNames.of(names, graph)], x)
    torch.testing.assert_close(got, slim(x))


def test_only_what_lies_behind_the_merge_is_computed_again(unet):
    x = torch.randn(2, 3, 32, 32)
    graph = infoflow.trace(unet, x)
    footprint = footprint_of(graph)
    last = silenced(graph, "1->20", footprint)
    called = {str(node.target) for node in last.changed if node.op == "call_module"}
    layers = [layer.name for layer in graph.layers if layer.index >= 20]
    assert called >= set(layers)
    assert not called & {layer.name for layer in graph.layers if layer.index < 20}
    (node,) = (n for n in last.changed if str(n.target) == graph.layers[20].name)
    assert str(last.whole[node].target) == graph.layers[20].name


def test_weights_that_were_mended_change_what_is_computed_again(unet):
    x = torch.randn(2, 3, 32, 32)
    graph = infoflow.trace(unet, x)
    slim, before, _ = pruned_outputs(unet, graph, "1->20", x)
    early = slim.get_submodule(graph.layers[2].name)
    with torch.no_grad():
        early.weight.mul_(2)
    footprint = footprint_of(graph)
    after = variant_of(slim, graph, footprint)
    assert len(after.changed) > len(before.changed)
    ((_, (got,)),) = outputs(graph, footprint, [after], x)
    torch.testing.assert_close(got, slim.eval()(x))


class WritesIntoViews(nn.Module):
    """Adds a branch to one half of a value in place; the other half, and the whole, read on."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 4, 1) for _ in range(3))
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x, *, without_b=False):
        value = self.a(x)
        half = value[:, :2]
        early = half * 2
        branch = self.b(x)[:, :2]
        half += torch.zeros_like(branch) if without_b else branch
        again = value.relu_() + self.c(x)
        return self.last(again) + early.mean()


def test_writes_through_views_reach_the_whole_value():
    net = WritesIntoViews().eval()
    x = torch.randn(3, 3, 5, 5)
    graph = infoflow.trace(net, x)
    (stream,) = [s for s in streams_of(graph) if s.source == "b" and "add" in s.merge]
    ((whole, (got,)),) = silenced_outputs(graph, [stream], x)
    torch.testing.assert_close(whole, net(x))
    torch.testing.assert_close(got, net(x, without_b=True))
    assert not torch.allclose(got, whole)


class Noisy(nn.Module):
    """Draws noise before and behind a sum."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x, *, without_b=False):
        hidden = self.a(x)
        hidden = hidden + torch.randn_like(hidden)
        branch = self.b(hidden)
        total = hidden + (torch.zeros_like(branch) if without_b else branch)
        return self.last(total + torch.randn_like(total))


def test_a_net_that_draws_random_numbers_draws_the_same_ones():
    net = Noisy().eval()
    x = torch.randn(6, 4)
    graph = infoflow.trace(net, x)
    ((whole, (got, again)),) = silenced_outputs(graph, ["b->add", "b->add"], x)
    torch.manual_seed(0)
    torch.testing.assert_close(whole, net(x))
    torch.manual_seed(0)
    torch.testing.assert_close(got, net(x, without_b=True))
    torch.testing.assert_close(again, got, rtol=0, atol=0)


def test_a_stream_that_does_not_exist_and_the_only_path_are_refused(unet):
    graph = infoflow.trace(unet, torch.randn(2, 3, 32, 32))
    footprint = footprint_of(graph)
    with pytest.raises(ArgumentError, match="No merge of UNet has a stream '2->20'"):
        silenced(graph, "2->20", footprint)
    with pytest.raises(PruningError, match="left without any stream"):
        silenced(graph, ["1->20", "19->20"], footprint)


def test_streams_without_which_no_way_is_left_are_refused():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x):
            first = self.a(x)
            return torch.relu(first + self.b(first)) * self.scale

    graph = infoflow.trace(Gate(), torch.randn(2, 4))
    footprint = footprint_of(graph)
    names = [stream.name for stream in streams_of(graph)]
    with pytest.raises(PruningError, match="left without any stream"):
        silenced(graph, names, footprint)


def test_a_copy_of_a_pruned_net_is_no_variant(unet):
    x = torch.randn(2, 3, 32, 32)
    graph = infoflow.trace(unet, x)
    slim = infoflow.prune(unet, "1->20", x)
    for other in (copy.deepcopy(slim), slim):  # of a copy nothing is known; slim has its own graph
        with pytest.raises(PruningError, match="Prune again"):
            variant_of(other, graph, footprint_of(graph))
