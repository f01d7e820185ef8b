"""A result that grows by an epoch at a time."""

import torch

import infoflow
from infoflow.flow.growing import Growing

POINTS = [torch.randn(20, 3, generator=torch.Generator().manual_seed(0))]


def at(epoch, noise=1.0):
    net = torch.nn.Linear(3, 2)
    tracker = infoflow.Tracker(net, POINTS, noise=noise, schedule=[epoch], progress=False)
    tracker.record(epoch)
    return tracker.result


def test_nothing_has_no_result():
    growing = Growing()
    assert (growing.epochs, growing.latest, growing.result) == ([], None, None)


def test_epochs_are_those_joined_one_by_one_in_any_order():
    parts = [at(3), at(0), at(5)]
    growing = Growing(parts[0])
    for part in parts[1:]:
        growing.add(part)
    assert growing.epochs == growing.result.epochs == [0, 3, 5]
    for part in parts:
        assert growing.result.ixm.sel(epoch=part.epochs).equals(part.ixm)


def test_an_epoch_that_comes_again_replaces_the_first():
    growing = Growing(at(0))
    growing.add(at(1))
    again = at(0)
    growing.add(again)
    assert growing.epochs == growing.result.epochs == [0, 1]
    assert growing.result.ixm.sel(epoch=[0]).equals(again.ixm)


def test_later_epochs_keep_no_graph_of_their_own_alive():
    first, second = at(0), at(1)
    growing = Growing(first)
    growing.add(second)
    assert growing.latest.graph.source is first.graph.source
