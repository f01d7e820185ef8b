"""Sample propagation: Goldfeld's neuron, linear-Gaussian chains, bounds, the rate of its error."""

import math

import numpy as np
import pytest
import torch

from infoflow.estimators.propagation import SamplePropagation, risk_bound, sample_propagation
from infoflow.interface import ArgumentError, Estimator
from tests import tiers
from tests.estimators.gaussians import mixture_information


def chain(inputs, draws, noise_std=0.5, gain=1.5, seed=0):
    """S of T = gain (x + Z) + Z': draws of gain (x + Z) for each input."""
    generator = torch.Generator().manual_seed(seed)
    noise = noise_std * torch.randn(len(inputs), draws, 1, generator=generator)
    return gain * (inputs[:, None, None] + noise)


def chain_truth(inputs, noise_std=0.5, gain=1.5):
    return mixture_information(gain * np.asarray(inputs), noise_std * math.hypot(gain, 1.0))


@pytest.mark.parametrize("beta", [0.01, 0.1])
@pytest.mark.parametrize("weight", [0.0, 0.02, 0.2, 1.0, 5.0])
def test_goldfelds_neuron_is_that_of_numerical_integration(weight, beta):
    """Section 4 and Fig. 4: tanh(wx + b) of −3, −1, 1 and 3, with b = −2.3 w."""
    x = torch.tensor([-3.0, -1.0, 1.0, 3.0], dtype=torch.float64)
    values = torch.tanh(weight * x - 2.3 * weight)
    labels = torch.tensor([0, 0, 0, 1])
    got = sample_propagation(values[:, None, None], beta, labels)
    pooled = mixture_information(values, beta)
    within = 0.75 * mixture_information(values[:3], beta)
    assert abs(got.ixm - pooled) < 4 * got.ixm_standard_error + 1e-4
    assert abs(got.iym - (pooled - within)) < 4 * got.iym_standard_error + 1e-4


def test_the_neuron_forgets_as_its_values_cluster():
    """Fig. 4(c): the information rises to log 4 and falls to that of two clusters."""
    x = torch.tensor([-3.0, -1.0, 1.0, 3.0], dtype=torch.float64)
    bits = [
        sample_propagation(torch.tanh(w * (x - 2.3))[:, None, None], 0.01).to("bits").ixm
        for w in (0.0, 0.5, 10.0)
    ]
    two_of_four = 2 - 0.75 * math.log2(3)
    assert bits == pytest.approx([0.0, 2.0, two_of_four], abs=0.03)


def test_a_chain_is_between_its_bounds():
    inputs = torch.linspace(-2, 2, 8)
    got = sample_propagation(chain(inputs, 64), 0.5, standard_error=0.006)
    truth = chain_truth(inputs)
    slack = 3 * got.ixm_standard_error
    assert got.ixm_lower - slack < truth < got.ixm_upper + slack
    assert got.ixm_upper - got.ixm_lower < 0.12
    assert abs(got.ixm - truth) < 0.05


@pytest.mark.parametrize("seeds", [10, tiers.thorough(30)])
def test_the_bounds_hold_on_average_over_draws(seeds):
    inputs = torch.linspace(-2, 2, 6)
    runs = [
        sample_propagation(chain(inputs, 6, seed=s), 0.5, standard_error=0.02, seed=s)
        for s in range(seeds)
    ]
    truth = chain_truth(inputs)
    assert np.mean([run.ixm_lower for run in runs]) < truth < np.mean([r.ixm_upper for r in runs])


@pytest.mark.thorough
def test_standard_errors_count_the_chance_in_the_draws():
    inputs = torch.linspace(-2, 2, 6)
    runs = [
        sample_propagation(chain(inputs, 20, seed=s), 0.5, standard_error=0.01, seed=s)
        for s in range(40)
    ]
    stated = np.mean([run.ixm_standard_error for run in runs])
    assert 0.6 < np.std([run.ixm_lower for run in runs]) / stated < 1.3
    assert stated > 0.03


def test_few_draws_of_a_wide_layer_are_told_by_bounds_that_are_far_apart():
    draws = 10.0 * torch.randn(32, 4, 10)  # nothing of the input, but no draw near another
    got = sample_propagation(draws, 1.0)
    assert got.ixm == pytest.approx(math.log(32), abs=0.01)
    assert got.ixm_lower == 0.0


def test_labels_that_mean_nothing_have_a_lower_bound_of_nothing():
    inputs = torch.linspace(-2, 2, 40)
    labels = torch.arange(40) % 2
    got = sample_propagation(chain(inputs, 16), 0.5, labels)
    assert got.iym_lower == pytest.approx(0.0, abs=0.01)
    assert 0 <= got.iym < 0.03


@pytest.mark.parametrize("draws", [1, 2, tiers.thorough(5), tiers.thorough(9)])
def test_values_are_ordered_and_below_their_ceilings(draws):
    cloud = torch.randn(12, draws, 3, generator=torch.Generator().manual_seed(draws))
    got = sample_propagation(cloud, 0.4, torch.arange(12) // 3)
    assert 0 <= got.ixm_lower <= got.ixm <= got.ixm_upper <= got.ixm_ceiling == math.log(12)
    assert 0 <= got.iym_lower <= got.iym <= got.iym_upper <= got.iym_ceiling
    assert got.iym <= got.ixm + 3 * got.ixm_standard_error


def test_a_constant_layer_knows_nothing():
    got = sample_propagation(torch.full((10, 4, 3), 0.3), 0.1, torch.arange(10) % 2)
    assert (got.ixm, got.iym) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_draws_that_are_all_alike_are_exact():
    """The first noisy layer: its values before the noise have no noise in them."""
    values = torch.randn(30, 1, 2)
    got = sample_propagation(values.expand(-1, 8, -1), 0.5)
    assert got.ixm_lower == got.ixm == sample_propagation(values, 0.5).ixm


def test_only_the_ratio_of_values_and_noise_counts():
    cloud, labels = torch.randn(8, 3, 2), torch.arange(8) % 2
    once, scaled = (sample_propagation(s * cloud, s * 0.4, labels) for s in (1.0, 1024.0))
    assert (once.ixm, once.iym) == pytest.approx((scaled.ixm, scaled.iym), abs=1e-4)


def test_many_inputs_come_to_the_closed_form_of_a_linear_channel():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(1000, 1, 2, generator=generator, dtype=torch.float64)
    got = sample_propagation(inputs, 0.5)
    assert got.ixm == pytest.approx(math.log1p(1 / 0.25), abs=0.1)


@pytest.mark.parametrize(("sizes", "seeds"), [((8, 64), 16), tiers.thorough((16, 64, 256), 32)])
def test_error_falls_with_the_root_of_the_number_of_inputs(sizes, seeds):
    truth = 0.5 * math.log1p(4.0)
    errors = []
    for size in sizes:
        found = []
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(1000 * size + seed)
            inputs = torch.randn(size, 1, 1, generator=generator, dtype=torch.float64)
            found.append(sample_propagation(inputs, 0.5, standard_error=0.01, seed=seed).ixm)
        errors.append(np.abs(np.array(found) - truth).mean())
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -0.75 < slope < -0.3


def test_the_papers_bound_gives_the_papers_example():
    """Section 3.2: 4·10⁹ samples for an error of about 0.8 nats in the SZT net, β = 0.005."""
    assert risk_bound(4 * 10**9, units=10, loudness=200.0) == pytest.approx(0.8, abs=0.05)


def test_the_papers_bound_falls_with_the_root_and_never_overflows():
    assert risk_bound(400, 3, 10.0) == pytest.approx(risk_bound(100, 3, 10.0) / 2)
    by_hand = (8 * 2.0**3 + 3 * math.log(101)) / (4 * 10)
    assert risk_bound(100, 3, 10.0, constant=2.0) == pytest.approx(by_hand)
    assert risk_bound(100, 10**6, 10.0) == math.inf


def test_the_risk_bound_of_an_estimate_is_above_its_error():
    inputs = torch.linspace(-1, 1, 8)
    got = sample_propagation(chain(inputs, 16), 0.5)
    assert abs(got.ixm - chain_truth(inputs)) < got.ixm_risk_bound < math.inf


def test_the_object_is_an_estimator_and_deterministic():
    estimator = SamplePropagation(draws=4)
    assert isinstance(estimator, Estimator)
    cloud = torch.randn(12, 4, 3)
    assert estimator.estimate(cloud, torch.arange(12) % 2) == estimator.estimate(
        cloud, torch.arange(12) % 2
    )
    assert "4 draws" in estimator.estimate(cloud, None).kind


@pytest.mark.parametrize("draws", [1, 0, 2.5])
def test_too_few_draws_are_refused(draws):
    with pytest.raises(ArgumentError, match="draws must be a whole number of 2 or more"):
        SamplePropagation(draws=draws)


def test_another_shape_is_refused():
    with pytest.raises(ArgumentError, match=r"shape \(inputs, draws, units\).*got \(4, 3\)"):
        sample_propagation(torch.zeros(4, 3), 1.0)
