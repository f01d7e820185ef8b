"""A gate that is shut silences its stream, and the derivative along it is that of the loss."""

import pytest
import torch
from hypothesis import given

import infoflow
from infoflow.graph.running.arguments import as_arguments
from infoflow.graph.running.pytree import first_tensor
from infoflow.pruning.ablation.gates import gated
from infoflow.pruning.choice import candidates, find_stream
from infoflow.pruning.variants import ready
from tests.pruning.test_random_prune import Streams, recipes, removable
from tests.pruning.variants.running import footprint_of, silenced_outputs
from tests.pruning.variants.test_real_variants import gpt2, smp_unet
from tests.tiers import examples


@examples(8)
@given(recipe=recipes())
def test_a_shut_gate_silences_its_stream(recipe):
    torch.manual_seed(0)
    net = Streams(recipe).eval()
    x = torch.randn(3, 3, 6, 6)
    graph = infoflow.trace(net, x)
    places = {name: (step, place) for name, step, place in removable(net)}
    gates = gated(graph, [find_stream(graph, name) for name in places], footprint_of(graph))
    assert set(gates.streams) == set(places)
    turns = torch.zeros(3, len(places))
    torch.testing.assert_close(gates.run(as_arguments(net, x), turns), net(x))
    for column, name in enumerate(gates.streams):
        turns = torch.zeros(3, len(places))
        turns[:2, column] = 1
        got = gates.run(as_arguments(net, x), turns)
        torch.testing.assert_close(got[:2], net(x, without=places[name])[:2])
        torch.testing.assert_close(got[2:], net(x)[2:])


@pytest.mark.thorough
@pytest.mark.parametrize("build", [gpt2, smp_unet])
def test_gates_of_real_nets(build):
    net, x = build()
    graph = infoflow.trace(net.eval(), x)
    streams = [stream for merge in graph.merges for stream in candidates(merge)]
    gates = gated(graph, streams, footprint_of(graph))
    ((_, variants),) = silenced_outputs(graph, streams, x)
    wanted = dict(zip([stream.name for stream in streams], variants, strict=True))
    assert len(gates.streams) > 3
    with ready(net):
        for column, name in enumerate(gates.streams):
            turns = torch.zeros(len(x), len(gates.streams))
            turns[:, column] = 1
            got = first_tensor(gates.run(as_arguments(net, x), turns))
            torch.testing.assert_close(got, wanted[name], rtol=1e-4, atol=1e-4)


def test_derivatives_are_those_of_finite_differences():
    torch.manual_seed(0)
    net = Streams((("concat", (0, 1)), ("add in place", (1, 2)), ("mul", (2, 3)))).eval().double()
    x = torch.randn(2, 3, 6, 6, dtype=torch.double)
    graph = infoflow.trace(net, x)
    streams = [stream for merge in graph.merges for stream in candidates(merge)]
    gates = gated(graph, streams, footprint_of(graph))
    call = as_arguments(net, x)

    def total(turns):
        return gates.run(call, turns).square().sum((1, 2, 3))

    assert torch.autograd.gradcheck(
        total, torch.zeros(2, len(streams), dtype=torch.double, requires_grad=True)
    )
