"""A sweep of noise: its values, and where the order of layers changes."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import infoflow
from infoflow.flow.sweep import order_changes
from infoflow.interface import ArgumentError, InfoflowError


@pytest.fixture
def samples():
    labels = torch.arange(60) % 3
    return [(torch.randn(60, 4) + labels[:, None], labels)]


def test_each_point_is_a_measurement_of_its_own(samples):
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    noises = [0.1, 1.0, infoflow.Relative(0.1)]
    result = infoflow.analyze(net, samples, noise=noises, progress=False)
    assert result.dataset["noise"].values.tolist() == [str(noise) for noise in noises]
    for number, noise in enumerate(noises):
        single = infoflow.analyze(net, samples, noise=noise, progress=False)
        for name in ("ixm", "iym"):
            np.testing.assert_allclose(
                result.dataset[f"{name}_sweep"][0, number], single.dataset[name][0]
            )
    np.testing.assert_allclose(result.ixm[0], result.dataset["ixm_sweep"][0, 1], rtol=1e-12)
    assert "I(Y;M), noise 0.1 → 1.0: Kendall's tau" in str(result)


def test_swaps_are_found_and_ties_are_none():
    values = xr.DataArray(
        [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [1.0, 3.0, 2.999]],
        coords={"noise": ["1", "2", "3"], "layer": ["a", "b", "c"]},
        dims=("noise", "layer"),
    )
    first, second = order_changes(values)
    assert first.swapped == (("c", "b"),)
    assert first.kendall == pytest.approx(1 / 3)
    assert second.swapped == ()
    assert str(first) == "noise 1 → 2: Kendall's tau 0.33, 1 pair of layers swapped"


def test_wrong_sweeps(samples):
    net = nn.Linear(4, 2)
    with pytest.raises(ArgumentError, match="at least 2 points"):
        infoflow.analyze(net, samples, noise=[1.0])
    with pytest.raises(ArgumentError, match=r"noise of estimator='kde', got noise=\[1"):
        infoflow.analyze(net, samples, noise=[1.0, 2.0], estimator="binning")
    single = infoflow.analyze(net, samples, noise=1.0, progress=False)
    with pytest.raises(InfoflowError, match="This result holds no sweep of 'iym'"):
        single.order_changes()


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
@pytest.mark.parametrize("noise", [[0.1, 1.0], 0.1])
def test_noise_in_an_array_says_what_to_pass(samples, kind, noise):
    with pytest.raises(ArgumentError, match=r"noise must be a variance.* pass \.tolist\(\)"):
        infoflow.analyze(nn.Linear(4, 2), samples, noise=kind(noise))
