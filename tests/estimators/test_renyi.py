"""Rényi: the twin, closed forms, invariances, and layers without width."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import infoflow
from infoflow.estimators.matrix_entropy import gaussian_kernel, matrix_entropy
from tests.estimators import twins


def cloud(seed):
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (int(random.integers(2, 16)), int(random.integers(1, 5))))
    return values, np.append(0, random.integers(1, 4, len(values) - 1))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1, 1.01, 2, 5]), st.floats(0.1, 10))
def test_equals_the_slow_twin(seed, alpha, width):
    values, labels = cloud(seed)
    estimator = infoflow.Renyi(alpha=alpha, width=width)
    fast = infoflow.estimate(values, labels, estimator=estimator, unit="nats")
    ixm, iym = twins.renyi(values, labels.tolist(), alpha, width)
    # powers below 1 raise the rounding of eigenvalues that are 0
    tolerance = 1e-5 if alpha < 1 else 1e-9
    assert fast.ixm == pytest.approx(ixm, abs=tolerance)
    assert fast.iym == pytest.approx(max(0.0, iym), abs=tolerance)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 1.01, 2]))
def test_stays_between_0_and_the_ceilings_and_ixm_above_iym(seed, alpha):
    values, labels = cloud(seed)
    found = infoflow.estimate(values, labels, estimator=infoflow.Renyi(alpha), unit="nats")
    assert -1e-12 <= found.iym <= found.iym_ceiling + 1e-12
    assert found.iym <= found.ixm + 1e-9
    assert found.ixm <= math.log(len(values)) + 1e-12


def test_two_points_have_the_closed_form():
    """The kernel [[1, c], [c, 1]] / 2 has the eigenvalues (1 ± c) / 2."""
    c = math.exp(-3.0 / 2)
    kernel = gaussian_kernel(torch.tensor([[0.0, 3.0], [3.0, 0.0]]).double(), 1.0)
    high, low = (1 + c) / 2, (1 - c) / 2
    expected = -high * math.log(high) - low * math.log(low)
    assert float(matrix_entropy(kernel, 1.0)) == pytest.approx(expected)
    assert float(matrix_entropy(kernel, 2.0)) == pytest.approx(-math.log(high**2 + low**2))


def test_order_1_is_the_limit():
    kernel = gaussian_kernel(torch.cdist(torch.arange(9.0)[:, None], torch.arange(9.0)[:, None]))
    near = float(matrix_entropy(kernel, 1.0001))
    assert near == pytest.approx(float(matrix_entropy(kernel, 1.0)), abs=1e-3)


def test_separated_classes_give_the_entropy_of_the_classes():
    values = np.repeat([0.0, 100.0, 200.0, 300.0], 5)[:, None]
    estimator = infoflow.Renyi(width=1.0)
    found = infoflow.estimate(values, np.repeat([0, 1, 2, 3], 5), estimator=estimator)
    assert found.iym == pytest.approx(2.0, abs=1e-9)
    assert found.ixm == pytest.approx(2.0, abs=1e-9)


def test_with_the_median_width_the_scale_of_a_layer_does_not_matter():
    values = np.random.default_rng(0).normal(size=(30, 4))
    one, other = (infoflow.estimate(s * values, estimator="renyi").ixm for s in (1.0, 1e4))
    assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3])
def test_a_constant_layer_keeps_nothing(constant):
    found = infoflow.estimate(np.full((11, 7), constant), [0] * 5 + [1] * 6, estimator="renyi")
    assert found.ixm == pytest.approx(0.0, abs=1e-9)
    assert found.iym == pytest.approx(0.0, abs=1e-9)


def test_duplicated_samples_count_once():
    values = np.random.default_rng(0).normal(size=(12, 300))
    estimator = infoflow.Renyi(width=2.0)
    once = infoflow.estimate(values, estimator=estimator).ixm
    twice = infoflow.estimate(np.repeat(values, 3, axis=0), estimator=estimator).ixm
    assert once == pytest.approx(twice, abs=1e-6)


@pytest.mark.parametrize("alpha", [0, -1.0, math.nan, math.inf, "a"])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match="alpha must be a number greater than 0, got"):
        infoflow.Renyi(alpha=alpha)


@pytest.mark.parametrize("width", [0, -1.0, math.nan, "mean"])
def test_width_must_be_positive_or_the_median(width):
    with pytest.raises(ValueError, match="width must be a number greater than 0 or 'median'"):
        infoflow.Renyi(width=width)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.01, 2.0])
def test_a_constant_layer_and_its_null_are_0_whatever_the_order(alpha):
    """Rounding of the eigenvalues, to the power of one half, made 1e-8 of nothing."""
    found = infoflow.estimate(np.ones((60, 3)), [0, 1, 2] * 20, estimator=infoflow.Renyi(alpha))
    for value in (found.ixm, found.iym, found.iym_null, found.iym_null_high):
        assert value == pytest.approx(0, abs=1e-12)


def test_a_width_whose_square_is_no_number_keeps_samples_apart():
    found = infoflow.estimate(
        np.arange(8.0)[:, None], np.arange(8) % 2, estimator=infoflow.Renyi(width=1e-200)
    )
    assert (found.ixm, found.iym) == pytest.approx((3.0, 1.0))


def test_equal_samples_give_zero_and_no_minus_zero():
    found = infoflow.estimate(np.ones((8, 2)), estimator="renyi")
    assert found.ixm == pytest.approx(0.0, abs=1e-12)
    assert math.copysign(1.0, found.ixm) == 1.0


@given(st.integers(0, 2**32 - 1))
def test_the_median_width_is_that_of_the_pairs_that_differ(seed):
    random = np.random.default_rng(seed)
    points = random.integers(0, 3, (int(random.integers(1, 9)), 2)).astype(float)
    distances = torch.from_numpy(((points[:, None] - points) ** 2).sum(-1))
    above = [
        float(distances[i, j]) for i in range(len(points)) for j in range(i) if distances[i, j] > 0
    ]
    scale = sorted(above)[(len(above) - 1) // 2] if above else 1.0
    torch.testing.assert_close(gaussian_kernel(distances), (-distances / (2 * scale)).exp())


@pytest.mark.parametrize("classes", [3, 40])
def test_the_null_of_order_2_is_that_of_each_order_of_the_classes(classes):
    """One product for all shuffles, where the classes are few."""
    values = torch.randn(200, 3, dtype=torch.float64)
    distances = torch.cdist(values, values).square()
    orders = torch.stack([torch.arange(200)[torch.randperm(200)] % classes for _ in range(4)])
    found = infoflow.Renyi(alpha=2.0).about_shuffled(distances, orders)
    for order, value in zip(orders, found, strict=True):
        alone = infoflow.Renyi(alpha=2.0).values(distances, order)[1]
        assert float(value) == pytest.approx(alone, abs=1e-12)
