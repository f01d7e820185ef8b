"""What a measurement will cost, and that the budget is divided as in the measurement itself."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import ArgumentError
from infoflow.testing import UNet

NO_STREAMS = infoflow.DistanceOptions("exact", streams=False)


def test_distances_of_streams_take_some_of_the_budget():
    graph = infoflow.trace(UNet(base_channels=4), torch.zeros(1, 3, 32, 32))
    samples = 300
    with_them = infoflow.plan(graph, samples, memory_budget="91MB", distances="exact")
    without = infoflow.plan(graph, samples, memory_budget="91MB", distances=NO_STREAMS)
    assert with_them.passes > without.passes
    assert with_them.memory <= 91_000_000
    roomy = [
        infoflow.plan(graph, samples, memory_budget="8GB", distances=d)
        for d in ("exact", NO_STREAMS)
    ]
    # at most 5 layers' distances in float32 are waited for, and three in float64 worked with
    kept = [(4 * n + 24) * samples**2 for n in range(1, 6)]
    assert roomy[0].memory - roomy[1].memory in kept


def test_whole_numbers_of_numpy_are_whole_numbers():
    graph = infoflow.trace(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), torch.rand(2, 3))
    plan = infoflow.plan(graph, np.int64(64), layers=np.array([0]), memory_budget=np.int64(10**9))
    assert str(plan) == str(infoflow.plan(graph, 64, layers=[0], memory_budget=10**9))


def test_draws_are_not_planned():
    graph = infoflow.trace(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), torch.rand(2, 3))
    with pytest.raises(ArgumentError, match="draws noise until its standard error is small"):
        infoflow.plan(graph, 64, estimator="sample-propagation")
