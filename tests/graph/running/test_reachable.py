"""What a model leads to."""

import torch
from torch import nn

from infoflow.graph.running.reachable import reachable_from

HIDDEN = nn.Linear(2, 2)


class Bare(nn.Module):
    def forward(self, x):
        return HIDDEN(x)


def test_a_model_without_attributes_is_looked_through_by_its_code():
    """The search once ended before it began where no attribute led on."""
    assert list(reachable_from(Bare()).modules.values())[1:] == [HIDDEN]


def test_a_tuple_of_plain_values_leads_nowhere_and_one_that_holds_a_module_does():
    net, held = nn.ReLU(), nn.Linear(2, 2)
    net.sizes, net.held = (1, 2.0, "three", None), (1, (held,))
    found = reachable_from(net)
    assert found.modules == {"": net, "held.1.0": held}
    assert {*map(id, found.tensors.values())} == {id(held.weight), id(held.bias)}


def test_an_empty_container_is_found_once_it_is_filled():
    net = nn.ReLU()
    net.seen = []
    assert net.seen not in reachable_from(net).containers
    net.seen.append(torch.zeros(1))
    assert any(one is net.seen for one in reachable_from(net).containers)
