"""What a measurement will cost, and that the budget is divided as in the measurement itself."""

import torch

import infoflow
from infoflow.testing import UNet


def test_distances_of_streams_take_some_of_the_budget():
    graph = infoflow.trace(UNet(base_channels=4), torch.zeros(1, 3, 32, 32))
    samples = 300
    with_them = infoflow.plan(graph, samples, memory_budget="91MB", mode="exact")
    without = infoflow.plan(graph, samples, memory_budget="91MB", mode="exact", streams=False)
    assert with_them.passes > without.passes
    assert with_them.memory <= 91_000_000
    roomy = [infoflow.plan(graph, samples, memory_budget="8GB", streams=s) for s in (True, False)]
    # at most 5 layers' distances in float32 are waited for, and three in float64 worked with
    kept = [(4 * n + 24) * samples**2 for n in range(1, 6)]
    assert roomy[0].memory - roomy[1].memory in kept
