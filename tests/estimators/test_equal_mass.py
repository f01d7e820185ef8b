"""Bins of equal mass: the twin, invariance, ReLU's zeros, wrong input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import infoflow
from infoflow.estimators.equal_mass import equal_mass_edges
from infoflow.interface import SaturationWarning
from tests.estimators import twins


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_equals_the_slow_twin(seed, bins):
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (int(random.integers(2, 30)), int(random.integers(1, 4))))
    values = np.maximum(0, np.round(values, int(random.integers(0, 3))))
    labels = np.append(0, random.integers(1, 3, len(values) - 1))
    estimator = infoflow.EqualMassBinning(bins)
    fast = infoflow.estimate(values, labels, estimator=estimator, unit="nats")
    ixm, iym = twins.equal_mass(values, labels.tolist(), bins)
    assert fast.ixm == pytest.approx(ixm, abs=1e-9)
    assert fast.iym == pytest.approx(iym, abs=1e-9)


def test_one_unit_fills_every_bin_alike():
    values = np.random.default_rng(0).exponential(size=(900, 1))
    assert infoflow.estimate(values, estimator="equal-mass").ixm == pytest.approx(math.log2(30))


def test_only_the_order_of_the_values_matters():
    values = np.random.default_rng(0).normal(size=(60, 2))
    estimator = infoflow.EqualMassBinning(4)
    one, other = (
        infoflow.estimate(v, estimator=estimator).ixm for v in (values, np.exp(9 * values))
    )
    assert one == other


def test_zeros_of_a_rectifier_share_a_bin():
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0])[:, None]
    assert equal_mass_edges(values, 4).tolist() == [0.0, 2.0]


def test_edges_of_many_values_come_from_evenly_spaced_ones():
    values = torch.randperm(3_000_000).float()[:, None]
    edges = equal_mass_edges(values, 4)
    np.testing.assert_allclose(edges, [750_000, 1_500_000, 2_250_000], rtol=0.01)


def test_a_constant_layer_keeps_nothing():
    found = infoflow.estimate(np.full((10, 3), 0.1), [0, 1] * 5, estimator="equal-mass")
    assert (found.ixm, found.iym) == (0.0, 0.0)


@pytest.mark.parametrize("bins", [0, 1, -3, 2.5, True, "30"])
def test_bins_must_be_at_least_2(bins):
    with pytest.raises(ValueError, match="bins must be a whole number of at least 2, got"):
        infoflow.EqualMassBinning(bins)


def test_layers_of_a_net_are_measured_and_wide_ones_are_saturated(unet, loader):
    with pytest.warns(SaturationWarning):
        result = infoflow.analyze(
            unet,
            loader,
            estimator="equal-mass",
            target=infoflow.KMeans(3),
            progress=False,
            layers=["encoder.4.2", "output"],
        )
    np.testing.assert_allclose(result.ixm, math.log2(20))


def test_a_layer_without_units_says_nothing():
    numbers = infoflow.estimate(np.zeros((10, 0)), [0, 1] * 5, estimator="equal-mass")
    assert (numbers.ixm, numbers.iym) == (0.0, 0.0)


def test_edges_are_of_all_units_whatever_their_number():
    """Every second unit is 0: a step of 2 would see no others."""
    values = torch.zeros(2**17, 16)
    values[:, 1::2] = torch.randn(2**17, 8, generator=torch.Generator().manual_seed(0))
    edges = equal_mass_edges(values, 16)
    assert len(edges) >= 8
    assert float(edges.min()) < -0.5
    assert float(edges.max()) > 0.5
