"""The benchmark families: known values by numerical integration, and maps that can be undone."""

import math

import numpy as np
import pytest
from scipy import special, stats

from infoflow.testing import (
    benchmark_families,
    bimodal,
    correlated_normal,
    spiral,
    student_t,
    swiss_roll,
)
from infoflow.testing.families import bimodal_share, to_bimodal, to_spiral, to_swiss_roll


def information_on_a_grid(joint, reach, points=1601):
    """I(X;Y) of a density of two numbers, by the trapezoid rule after x = sinh(s)."""
    axis = np.linspace(-np.arcsinh(reach), np.arcsinh(reach), points)
    x, steps = np.sinh(axis), np.cosh(axis)
    density = joint(*np.meshgrid(x, x, indexing="ij"))
    weights = steps * (axis[1] - axis[0])
    density = density / (weights @ density @ weights)
    one, other = density @ weights, weights @ density
    ratio = special.xlogy(density, density) - special.xlogy(density, np.outer(one, other))
    return weights @ ratio @ weights


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.9])
def test_normal_by_integration(correlation):
    law = stats.multivariate_normal(cov=[[1, correlation], [correlation, 1]])
    expected = information_on_a_grid(lambda x, y: law.pdf(np.dstack([x, y])), 12)
    assert correlated_normal(1, correlation).information == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("freedom", "correlation"), [(3.0, 0.6), (5.0, 0.0), (2.0, -0.8)])
def test_student_t_by_integration(freedom, correlation):
    law = stats.multivariate_t(shape=[[1, correlation], [correlation, 1]], df=freedom)
    expected = information_on_a_grid(lambda x, y: law.pdf(np.dstack([x, y])), 1e5)
    assert student_t(1, freedom, correlation).information == pytest.approx(expected, abs=2e-4)


def test_student_t_in_more_dimensions_by_its_own_density_ratio():
    family = student_t(2, 3.0, 0.6)
    x, y = family.sample(200_000, seed=1)
    block = np.kron([[1, 0.6], [0.6, 1]], np.eye(2))
    both = stats.multivariate_t(shape=block, df=3).logpdf(np.hstack([x, y]))
    alone = stats.multivariate_t(shape=np.eye(2), df=3)
    ratio = both - alone.logpdf(x) - alone.logpdf(y)
    error = ratio.std() / math.sqrt(len(ratio))
    assert abs(ratio.mean() - family.information) < 4 * error < 0.02


def test_bimodal_by_integration():
    """The density by change of variables: a normal pair's, divided by the slopes of the maps."""

    def normal_at(x):
        share = bimodal_share(x)
        return special.ndtri(np.clip(share, 1e-300, 1 - 1e-16))

    def slope(x):
        modes = [stats.norm.pdf(x, mode, 0.5) for mode in (-1.5, 1.5)]
        return np.mean(modes, axis=0) / stats.norm.pdf(normal_at(x))

    law = stats.multivariate_normal(cov=[[1, 0.75], [0.75, 1]])

    def joint(x, y):
        return law.pdf(np.dstack([normal_at(x), normal_at(y)])) * slope(x) * slope(y)

    assert bimodal(0.75).information == pytest.approx(information_on_a_grid(joint, 3.8), abs=1e-3)


def test_bimodal_has_two_modes_and_can_be_undone():
    normal = np.random.default_rng(0).normal(size=(1000, 1))
    bent = to_bimodal(normal)
    assert special.ndtri(bimodal_share(bent)) == pytest.approx(normal, abs=1e-6)
    assert np.mean(np.abs(bent) < 0.5) < 0.05 < np.mean(np.abs(bent - 1.5) < 0.5)


def test_swiss_roll_can_be_undone():
    normal = np.random.default_rng(0).normal(size=(1000, 1))
    angle = 21 * np.hypot(*to_swiss_roll(normal).T)
    assert special.ndtri((angle / (1.5 * np.pi) - 1) / 2) == pytest.approx(normal[:, 0], abs=1e-6)


def test_spiral_keeps_lengths_and_volumes_and_can_be_undone():
    values = np.random.default_rng(0).normal(size=(50, 3))
    bent = to_spiral(values, 2.0)
    assert to_spiral(bent, -2.0) == pytest.approx(values, abs=1e-12)
    assert np.abs(bent - values).max() > 0.5
    step = 1e-5 * np.eye(3)
    slopes = [(to_spiral(values + d, 2.0) - to_spiral(values - d, 2.0)) / 2e-5 for d in step]
    assert np.linalg.det(np.stack(slopes, 1)) == pytest.approx(np.ones(50), abs=1e-6)


@pytest.mark.parametrize("family", benchmark_families(), ids=lambda family: family.name)
def test_samples_have_the_stated_shape_and_come_from_the_seed(family):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    x, y = family.sample(40, seed=7)
    assert x.shape == (40, family.x_units)
    assert y.shape == (40, family.y_units)
    assert np.array_equal(x, family.sample(40, seed=7)[0])
    assert not np.array_equal(x, family.sample(40, seed=8)[0])
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert np.isfinite(x).all()
    assert family.information > 0


def test_names_differ():
    names = [family.name for family in benchmark_families()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correlated_normal(0), "dimensions must be at least 1, got 0"),
        (lambda: swiss_roll(1.0), "correlation must be between -1 and 1, got 1.0"),
        (lambda: student_t(1, 0.0), "freedom must be greater than 0, got 0.0"),
        (lambda: spiral(1), "at least 2 dimensions, got 1"),
    ],
)
def test_families_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()
