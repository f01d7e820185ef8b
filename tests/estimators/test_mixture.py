"""Entropy of a Gaussian mixture: against plain loops, numerical integration and closed forms."""

import math

import pytest
import torch

from infoflow.estimators.mixture import (
    TOLERANCE,
    TREE_UNITS,
    KernelSum,
    integrate,
    mixture_entropy,
    noise_entropy,
)
from infoflow.interface import ArgumentError
from tests.estimators.gaussians import mixture_information


def slow_kernel_sum(points, centres, noise_std):
    sums = []
    for point in points.double():
        squares = [float(((point - centre) ** 2).sum()) for centre in centres.double()]
        exponents = [-square / (2 * noise_std**2) for square in squares]
        top = max(exponents)
        sums.append(top + math.log(sum(math.exp(e - top) for e in exponents)))
    return torch.tensor(sums, dtype=torch.float64)


@pytest.mark.parametrize("units", [1, 3, TREE_UNITS, TREE_UNITS + 1])
@pytest.mark.parametrize("spread", [0.001, 0.03, 1.0])
def test_kernel_sums_are_those_of_a_plain_loop(units, spread):
    centres = 5.0 + spread * torch.randn(300, units)
    points = torch.cat([centres[:4] + 0.02 * torch.randn(4, units), centres[:2] + 0.3])
    got = KernelSum(centres, 0.01)(points)
    assert torch.allclose(got, slow_kernel_sum(points, centres, 0.01), rtol=0, atol=TOLERANCE)


def test_a_tree_keeps_its_tolerance_where_centres_are_clustered():
    corners = torch.sign(torch.randn(8, 10, dtype=torch.float64))
    centres = corners[torch.randint(8, (20_000,))] + 0.01 * torch.randn(20_000, 10)
    points = centres[:40] + 0.005 * torch.randn(40, 10)
    tree, pairs = KernelSum(centres, 0.005), KernelSum(centres, 0.005)
    pairs._tree = None
    assert tree._tree is not None
    assert float((tree(points) - pairs(points)).abs().max()) < TOLERANCE


@pytest.mark.parametrize("noise_std", [0.02, 0.3, 2.0])
def test_entropy_is_that_of_numerical_integration(noise_std):
    centres = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None] ** 3
    entropy = mixture_entropy(centres, noise_std, standard_error=0.004)
    truth = mixture_information(centres, noise_std) + noise_entropy(1, noise_std)
    assert abs(entropy.value - truth) < 4 * entropy.standard_error + TOLERANCE


def test_one_centre_has_the_entropy_of_the_noise():
    entropy = mixture_entropy(torch.zeros(1, 4), 0.7)
    assert entropy.value == pytest.approx(2 * math.log(2 * math.pi * math.e * 0.49))
    assert entropy.standard_error == pytest.approx(0, abs=1e-12)


def test_more_points_are_drawn_until_the_standard_error_is_reached():
    centres = torch.randn(50, 2)
    coarse, fine = (mixture_entropy(centres, 0.5, standard_error=e) for e in (0.05, 0.01))
    assert fine.standard_error <= 0.01
    assert fine.points > 2 * coarse.points
    assert mixture_entropy(centres, 0.5, standard_error=1e-5, most_points=3000).points == 3000


def test_standard_errors_are_those_of_repeated_runs():
    centres = torch.randn(20, 2)
    runs = [mixture_entropy(centres, 0.5, standard_error=0.04, seed=s) for s in range(60)]
    spread = torch.tensor([run.value for run in runs]).std()
    stated = sum(run.standard_error for run in runs) / len(runs)
    assert 0.7 < spread / stated < 1.35


def test_a_seed_fixes_the_value_and_leaves_the_global_state():
    centres = torch.randn(30, 2)
    before = torch.random.get_rng_state()
    first = mixture_entropy(centres, 0.5, seed=3)
    assert first == mixture_entropy(centres, 0.5, seed=3)
    assert first != mixture_entropy(centres, 0.5, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())


def test_integration_stops_at_once_where_nothing_varies():
    means, errors, points = integrate(lambda n: torch.ones(n, 2), 0.01, 10**6)
    assert (means.tolist(), errors.tolist(), points) == ([1, 1], [0, 0], 1024)


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, True])
def test_settings_that_are_not_positive_are_refused(bad):
    with pytest.raises(ArgumentError, match="noise_std must be a number greater than 0"):
        mixture_entropy(torch.zeros(3, 1), bad)
    with pytest.raises(ArgumentError, match="standard_error must be"):
        mixture_entropy(torch.zeros(3, 1), 1.0, standard_error=bad)
