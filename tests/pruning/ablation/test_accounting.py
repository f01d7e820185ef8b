"""What nets save, against what prune and trials count."""

import pytest
import torch

import infoflow
from infoflow.pruning.ablation.accounting import Accountant
from infoflow.pruning.choice import StreamNames, find_stream, removals
from infoflow.pruning.rewrite import carve
from infoflow.pruning.trial.cost import peak_activation_bytes
from tests import small_nets, tiers


@pytest.mark.parametrize(
    ("build", "size", "stream"),
    [
        tiers.thorough(small_nets.resnet, 32, "layer1.1.conv2->layer1.1.add"),
        (lambda: infoflow.testing.UNet(base_channels=4), 32, "1->20"),
    ],
)
def test_savings_are_those_that_prune_counts(build, size, stream):
    net = build().eval()
    x = torch.randn(2, 3, size, size)
    graph = infoflow.trace(net, x)
    name = find_stream(graph, stream).name
    slim = infoflow.prune(net, StreamNames.of([name], graph))
    saved = Accountant(graph).savings(slim.eval())
    assert saved.parameters == slim.pruning.parameters
    assert saved.multiply_adds == slim.pruning.multiply_adds
    before, after = (peak_activation_bytes(infoflow.trace(one, x)) for one in (net, slim))
    assert saved.activation_bytes == before - after
    assert 0 < saved.time < 10


def test_a_carved_net_is_the_pruned_net():
    net = infoflow.testing.UNet(base_channels=4).eval()
    x = torch.randn(2, 3, 32, 32)
    graph = infoflow.trace(net, x)
    for names in (["7->11"], ["1->20", "3->17"]):
        carved = carve(graph, removals(graph, names)).eval()
        slim = infoflow.prune(net, names, x).eval()
        assert torch.equal(carved(x), slim(x))
        assert carved.state_dict().keys() == slim.state_dict().keys()
