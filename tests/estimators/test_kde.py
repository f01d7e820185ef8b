"""KDE: the twin, the order of bounds, closed forms, and the wide layer that float32 gets wrong."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import infoflow
from infoflow.estimators.distances import add_products, distances_from_gram, squared_distances
from infoflow.estimators.kde import KDE
from tests.estimators import twins

seeds = st.integers(0, 2**32 - 1)
scales = st.floats(1e-3, 1e3)


def cloud(seed, scale=1.0, samples=None, classes=4):
    """Return a random cloud, often with repeated points, and labels."""
    random = np.random.default_rng(seed)
    n = samples or int(random.integers(2, 24))
    values = random.normal(0, scale, (n, int(random.integers(1, 9)))) + 10 * scale
    if random.random() < 0.3:
        values[: n // 2] = values[0]
    return values, np.append(0, 1 + random.integers(0, random.integers(1, classes), n - 1))


@given(seeds, scales, st.floats(1e-3, 1e3))
def test_equals_the_slow_twin(seed, scale, noise):
    """To 1e-9, for noise down to a thousandth of the cloud's variance.

    Below that the rounding of a Gram matrix begins to show: 1e-15 of the squared norms, over the
    noise variance.
    """
    values, labels = cloud(seed, scale)
    variance = noise * scale**2
    for bound, factor in (("upper", 2), ("lower", 8)):
        fast = infoflow.estimate(values, labels, estimator=KDE(variance, bound), unit="nats")
        ixm, iym = twins.kde(values, labels.tolist(), variance, factor)
        assert fast.ixm == pytest.approx(ixm, rel=1e-9, abs=1e-9)
        assert fast.iym == pytest.approx(iym, rel=1e-9, abs=1e-9)


@given(seeds, scales)
def test_bounds_are_ordered(seed, scale):
    values, labels = cloud(seed, scale)
    numbers = infoflow.estimate(values, labels, unit="nats")
    assert 0 <= numbers.ixm_lower <= numbers.ixm_upper + 1e-12
    assert numbers.ixm_upper <= math.log(len(values)) + 1e-12
    assert numbers.iym_lower - 1e-12 <= numbers.iym <= numbers.iym_upper + 1e-12
    assert -1e-12 <= numbers.iym <= numbers.iym_ceiling + 1e-12


@given(seeds)
def test_does_not_depend_on_order_shift_or_rotation(seed):
    values, labels = cloud(seed)
    random = np.random.default_rng(seed)
    order = random.permutation(len(values))
    rotation = np.linalg.qr(random.normal(size=(values.shape[1],) * 2))[0]
    moved = (values @ rotation + 7.0)[order]
    one, other = infoflow.estimate(values, labels), infoflow.estimate(moved, labels[order])
    assert one.ixm == pytest.approx(other.ixm, abs=1e-9)
    assert one.iym == pytest.approx(other.iym, abs=1e-9)


@given(seeds, st.integers(1, 12))
def test_products_add_up_over_slices_of_units(seed, width):
    values = torch.from_numpy(cloud(seed, samples=20)[0])
    gram = torch.zeros(20, 20, dtype=torch.float64)
    for start in range(0, values.shape[1], width):
        add_products(gram, values[:, start : start + width])
    expected = twins.squared_distances(values.numpy())
    np.testing.assert_allclose(distances_from_gram(gram), expected, rtol=1e-9, atol=1e-12)


def test_distances_are_symmetric_and_zero_on_the_diagonal():
    distances = squared_distances(torch.randn(37, 5))
    assert torch.equal(distances, distances.T)
    assert torch.equal(distances.diagonal(), torch.zeros(37, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
def test_32_near_identical_samples_of_a_wide_layer_are_5_bits_at_every_scale(scale):
    """Without centring, float32 gives 5.42, 4.43 and −1510 bits here as the scale grows."""
    wide = 262_144
    common = scale * torch.randn(wide)
    values = common + scale * 1e-2 * torch.randn(32, wide)
    assert values.dtype == torch.float32
    assert infoflow.estimate(values, noise=1.0).ixm == pytest.approx(5.0, abs=1e-9)


def test_two_points_have_the_closed_form():
    """For two points at squared distance D, I_upper = log 2 − log(1 + exp(−D/2v))."""
    distances = torch.tensor([[0.0, 3.0], [3.0, 0.0]], dtype=torch.float64)
    expected = math.log(2) - math.log1p(math.exp(-3.0 / (2 * 0.7)))
    assert KDE(0.7, "upper").estimate(distances, None).ixm == pytest.approx(expected, rel=1e-12)
    expected = math.log(2) - math.log1p(math.exp(-3.0 / (8 * 0.7)))
    assert KDE(0.7, "lower").estimate(distances, None).ixm == pytest.approx(expected, rel=1e-12)


def test_bounds_hold_the_mixture_entropy_by_numerical_integration():
    """The true I(X; M + Z) of a mixture of equal Gaussians on a line lies between the bounds."""
    centres = np.array([-1.3, -1.0, 0.2, 0.9, 2.5, 2.6])
    variance = 0.3
    grid = np.linspace(-12, 14, 200_001)
    density = np.exp(-((grid[:, None] - centres) ** 2) / (2 * variance)).mean(axis=1)
    density /= math.sqrt(2 * math.pi * variance)
    entropy = -np.trapezoid(density * np.log(density), grid)
    truth = entropy - 0.5 * math.log(2 * math.pi * math.e * variance)
    numbers = infoflow.estimate(centres[:, None], noise=variance, unit="nats")
    assert numbers.ixm_lower < truth < numbers.ixm_upper


def test_a_constant_layer_keeps_nothing():
    numbers = infoflow.estimate(np.full((10, 3), 7.0), [0, 1] * 5)
    assert (numbers.ixm, numbers.iym) == (0.0, 0.0)


def test_measurement_noise_is_not_propagated():
    """On the chain M1 = 0.1·X, M2 = 10·M1 the estimate rises, as the docs say."""
    x = np.random.default_rng(0).normal(size=(1000, 1))
    first = infoflow.estimate(0.1 * x, noise=0.1, unit="nats")
    second = infoflow.estimate(x, noise=0.1, unit="nats")
    for numbers, signal in ((first, 0.01), (second, 1.0)):
        truth = 0.5 * math.log(1 + signal / 0.1)
        assert numbers.ixm_lower < truth < numbers.ixm_upper
    assert first.ixm_upper < second.ixm_lower


@pytest.mark.parametrize("variance", [0.0, -0.1, math.nan, math.inf, "a"])
def test_noise_must_be_positive(variance):
    with pytest.raises(ValueError, match="noise must be a number greater than 0, got"):
        KDE(noise=variance)


def test_bound_has_two_names():
    with pytest.raises(ValueError, match="bound must be 'upper' or 'lower', got 'middle'"):
        KDE(bound="middle")


@pytest.mark.parametrize("noise", [1e-310, 1e-320])
def test_noise_too_small_for_a_float_leaves_every_sample_apart(noise):
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    found = infoflow.estimate(values, [0, 0, 1, 1], noise=noise)
    assert (found.ixm, found.ixm_upper, found.iym) == pytest.approx((2.0, 2.0, 1.0))


def test_relative_noise_of_tiny_values_is_relative():
    values = np.random.default_rng(0).normal(size=(50, 3))
    tiny, own = (infoflow.estimate(s * values, noise="relative").ixm for s in (1e-160, 1.0))
    assert 0 < tiny <= np.log2(50)
    assert own > 0
