"""Streaming statistics equal dense ones, whatever the batches, slices and budget."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.capture.batches import Samples
from infoflow.capture.budget import fixed_bytes
from infoflow.capture.collect import collect, collect_output
from infoflow.capture.reading_options import DistanceOptions
from infoflow.capture.strategy import choose_strategy
from infoflow.estimators.bin_codes import bin_digests, number_digests
from infoflow.estimators.statistics import Codes, Distances, Values
from infoflow.interface import ActivationError, MemoryBudgetError
from tests.estimators import twins


def statistics(graph, loader, statistic, budget, layers="all"):
    samples = Samples(loader)
    layers = graph.select(layers)
    with torch.no_grad():
        return {
            layer.name: value.clone()
            for layer, value in collect(graph, samples, layers, statistic, budget=budget)
        }


@pytest.fixture
def graph(unet):
    unet.double().eval()
    return infoflow.trace(unet, torch.rand(1, 3, 32, 32, dtype=torch.float64))


@pytest.fixture
def images(blobs):
    return blobs.tensors[0].double()


@pytest.mark.parametrize("batch_size", [1, 7, 20])
@pytest.mark.parametrize("columns", [150, 5000, 10**6])
def test_distances_equal_a_dense_twin(graph, images, batch_size, columns):
    budget = fixed_bytes(20) + columns * 20 * 8
    loader = DataLoader(images[:20], batch_size=batch_size)
    some = ["encoder.4.*", "output"] if columns == 150 else "all"
    got = statistics(graph, loader, Distances(), budget, some)
    dense = graph.values(images)
    assert list(got) == [layer.name for layer in graph.select(some)]
    for name in got:
        expected = twins.squared_distances(dense[name].numpy())
        np.testing.assert_allclose(got[name].numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 20])
def test_codes_equal_dense_ones(graph, images, batch_size):
    got = statistics(graph, DataLoader(images, batch_size=batch_size), Codes(0.05), budget=100_000)
    for name, value in graph.values(images).items():
        expected = number_digests(bin_digests(value.reshape(20, -1), 0.05))
        assert got[name].tolist() == expected.tolist()


def test_values_are_the_layers_own(graph, images):
    layers = graph.select("merges")
    budget = 2 * max(layer.units for layer in layers) * 20 * 8
    got = statistics(graph, DataLoader(images, batch_size=6), Values(), budget, "merges")
    expected = graph.values(images)
    for layer in layers:
        assert torch.equal(got[layer.name], expected[layer.name].flatten(1))


def test_collect_output_is_the_model_s_own(graph, images, unet):
    output = collect_output(graph, Samples(DataLoader(images, batch_size=6)))
    with torch.no_grad():
        np.testing.assert_array_equal(output, unet(images).float())


def test_a_budget_of_37_columns_takes_a_pass_for_each_37_units(graph, images):
    budget = fixed_bytes(20) + 37 * 20 * 8
    layers = graph.select("output")
    about = {"budget": budget, "bytes_per_value": 8}
    exact = DistanceOptions("exact")
    assert choose_strategy(layers, 20, Distances(), distances=exact, **about).passes == -(
        -1024 // 37
    )
    assert choose_strategy(layers, 20, Codes(0.1), **about).passes == 1


def test_only_the_layers_up_to_the_last_wanted_are_computed(graph, images):
    ran = []
    handle = graph.source.model.get_submodule("output").register_forward_hook(
        lambda *_: ran.append(1)
    )
    statistics(graph, [images], Distances(), 10**9, "encoder.0.*")
    handle.remove()
    assert not ran


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("statistic", [Distances(), Codes(0.1)])
def test_not_finite_activation_names_the_layer(unet, images, bad, statistic):
    with torch.no_grad():
        unet.decoder[1][0].bias[0] = bad
    unet.eval()
    graph = infoflow.trace(unet, images[:2].float())
    with pytest.raises(ActivationError, match=r"Layer decoder.1.0 \(14\) has NaN or infinite"):
        statistics(graph, [images.float()], statistic, 10**9)


def test_one_bad_sample_is_named():
    model = nn.Sequential(nn.Linear(2, 2))
    graph = infoflow.trace(model, torch.ones(2, 2))
    x = torch.ones(6, 2)
    x[4] = math.nan
    with pytest.raises(ActivationError, match="first in sample 4, 1 of 6 samples"):
        statistics(graph, [x], Distances(), 10**9)


def test_budget_too_small(graph, images):
    with pytest.raises(MemoryBudgetError, match="does not hold one unit of one layer for 20"):
        statistics(graph, DataLoader(images, batch_size=5), Distances(), 1000)


def test_units_that_change_with_the_batch_are_refused():
    class Grows(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv1d(1, 1, 1)

        def forward(self, x):
            return self.layer(x)

    graph = infoflow.trace(Grows(), torch.rand(2, 1, 5))
    with pytest.raises(ActivationError, match="7 units for this batch and 5 for the example"):
        statistics(graph, [torch.rand(3, 1, 7)], Distances(), 10**9)


def test_float32_model_is_kept_in_float32_and_measured_in_float64(unet, blobs):
    graph = infoflow.trace(unet.eval(), blobs.tensors[0][:2])
    got = statistics(graph, DataLoader(TensorDataset(blobs.tensors[0]), 6), Distances(), 10**9)
    assert {value.dtype for value in got.values()} == {torch.float64}
