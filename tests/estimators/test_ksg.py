"""KSG: the twins, closed forms, scikit-learn, duplicates, and too many dimensions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

import infoflow
from infoflow.estimators import ross as ross_module
from infoflow.estimators.distances import effective_dimension, squared_distances
from infoflow.interface import ArgumentError, HighDimensionWarning
from tests import tiers
from tests.estimators import twins

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 4))
def test_equals_the_slow_twin(seed, k):
    random = np.random.default_rng(seed)
    x = random.normal(size=(int(random.integers(6, 25)), int(random.integers(1, 4))))
    y = x[:, :1] + random.normal(size=(len(x), 1))
    assert infoflow.ksg(x, y, neighbours=k, unit="nats") == pytest.approx(
        twins.ksg(x, y, k), abs=1e-9
    )


@given(seeds, st.integers(1, 4))
def test_ross_equals_the_slow_twin(seed, k):
    random = np.random.default_rng(seed)
    values = random.normal(size=(int(random.integers(8, 25)), int(random.integers(1, 4))))
    labels = np.append([0, 0], random.integers(0, 5, len(values) - 2))
    classes = torch.from_numpy(labels)
    around = ross_module.Neighbourhoods(squared_distances(torch.from_numpy(values)), classes, k)
    assert around.about(classes) == pytest.approx(twins.ross(values, labels.tolist(), k), abs=1e-9)


def around_of(values, labels, width, monkeypatch):
    monkeypatch.setattr(ross_module, "_MORE", width)
    monkeypatch.setattr(ross_module, "_TIMES", 0)
    return ross_module.Neighbourhoods(squared_distances(torch.as_tensor(values)), labels, 3)


@pytest.mark.parametrize("width", [2, 9, 60])
def test_few_neighbours_and_whole_rows_equal_the_slow_twin(monkeypatch, width):
    """With a rare class and a singleton, of all samples and of a part of them."""
    random = np.random.default_rng(width)
    values = random.normal(size=(60, 2))
    labels = torch.as_tensor(np.r_[random.integers(0, 3, 53), [3] * 4, [4], [0, 1]])
    around = around_of(values, labels, width, monkeypatch)
    keep = torch.as_tensor(random.random(60) < 0.9)
    assert around.about(labels) == pytest.approx(twins.ross(values, labels.tolist(), 3), abs=1e-9)
    expected = twins.ross(values[keep.numpy()], labels[keep].tolist(), 3)
    assert around.about(labels, keep) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("width", [2, 9])
def test_few_neighbours_tell_of_duplicates_what_all_of_them_tell(monkeypatch, width):
    values = np.random.default_rng(0).integers(0, 3, size=(60, 2)).astype(float)
    labels = torch.arange(60) % 3
    whole = around_of(values, labels, 60, monkeypatch).about(labels)
    few = around_of(values, labels, width, monkeypatch).about(labels)
    assert few == pytest.approx(whole, abs=1e-12)


def test_equals_scikit_learn_in_one_dimension():
    random = np.random.default_rng(0)
    x = random.normal(size=300)
    y = x + random.normal(size=300)
    expected = mutual_info_regression(x[:, None], y, n_neighbors=3, random_state=0)[0]
    # scikit-learn divides by the spread and adds noise of 1e-10, so ratios of both axes differ
    assert infoflow.ksg(x / x.std(), y / y.std(), unit="nats") == pytest.approx(expected, abs=1e-6)
    labels = (y > 0).astype(int)
    expected = mutual_info_classif(x[:, None], labels, n_neighbors=3, random_state=0)[0]
    found = infoflow.estimate(x[:, None], labels, estimator="ksg", unit="nats")
    assert found.iym == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9, 0.99])
def test_correlated_normal_has_the_closed_form(correlation):
    random = np.random.default_rng(1)
    x = random.normal(size=4000)
    y = correlation * x + math.sqrt(1 - correlation**2) * random.normal(size=4000)
    truth = -0.5 * math.log(1 - correlation**2)
    assert infoflow.ksg(x, y, unit="nats") == pytest.approx(truth, abs=0.05)


def test_two_normal_classes_against_numerical_integration():
    grid = np.linspace(-10, 12, 100_001)
    densities = np.stack([np.exp(-((grid - c) ** 2) / 2) / math.sqrt(2 * math.pi) for c in (0, 2)])
    mixture = densities.mean(axis=0)
    truth = -np.trapezoid(mixture * np.log(mixture), grid) - 0.5 * math.log(2 * math.pi * math.e)
    labels = np.repeat([0, 1], 400)
    values = np.random.default_rng(2).normal(size=800) + 2.0 * labels
    found = infoflow.estimate(values[:, None], labels, estimator="ksg", unit="nats")
    assert found.iym == pytest.approx(truth, abs=0.03)
    assert math.isnan(found.ixm)
    assert "infinite" in found.kind


def test_duplicated_samples_of_a_table_give_its_information():
    """On a discrete table every neighbour is a duplicate; plain KSG would give nonsense."""
    random = np.random.default_rng(3)
    x = random.integers(0, 3, 800)
    y = np.where(random.random(800) < 0.8, x, random.integers(0, 3, 800))
    pairs = list(zip(x.tolist(), y.tolist(), strict=True))
    truth = twins.entropy(x.tolist()) + twins.entropy(y.tolist()) - twins.entropy(pairs)
    assert infoflow.ksg(x, y, unit="nats") == pytest.approx(truth, abs=0.01)
    found = infoflow.estimate(x[:, None], y, estimator="ksg", unit="nats")
    assert found.iym == pytest.approx(truth, abs=0.01)


def test_every_sample_twice_is_said_by_no_nan_and_no_infinity():
    values = np.repeat(np.random.default_rng(0).normal(size=(50, 3)), 2, axis=0)
    labels = np.repeat(np.arange(50) % 2, 2)
    assert math.isfinite(infoflow.estimate(values, labels, estimator="ksg").iym)
    assert math.isfinite(infoflow.ksg(values, values))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3])
def test_a_constant_layer_keeps_nothing(constant):
    found = infoflow.estimate(np.full((13, 5), constant), [0] * 6 + [1] * 7, estimator="ksg")
    assert found.iym == pytest.approx(0.0, abs=1e-12)
    assert infoflow.ksg(np.full(13, constant), np.arange(13.0)) == pytest.approx(0.0, abs=1e-12)


def test_high_dimensions_are_said():
    """25 correlated pairs: far too low, and warned of."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 250)
    values = random.normal(size=(500, 25)) + 0.4 * labels[:, None]
    with pytest.warns(HighDimensionWarning, match="biased towards 0"):
        found = infoflow.estimate(values, labels, estimator="ksg")
    assert "effective dimensions" in found.doubt
    x = random.normal(size=(500, 25))
    y = 0.6 * x + 0.8 * random.normal(size=(500, 25))
    with pytest.warns(HighDimensionWarning, match="50 columns"):
        found = infoflow.ksg(x, y, unit="nats")
    assert found < 0.7 * 25 * -0.5 * math.log(1 - 0.36)


def test_effective_dimension_counts_directions_not_units():
    random = np.random.default_rng(0)
    plane = random.normal(size=(500, 2)) @ np.linalg.qr(random.normal(size=(100, 2)))[0].T
    assert effective_dimension(squared_distances(torch.from_numpy(plane))) == pytest.approx(2, 0.02)
    ball = torch.from_numpy(random.normal(size=(2000, 10)))
    assert effective_dimension(squared_distances(ball)) == pytest.approx(10, 0.02)


@pytest.mark.parametrize(
    ("dimensions", "samples"),
    [(5, 250), *(tiers.thorough(dimensions, 500) for dimensions in (1, 5, 10))],
)
def test_up_to_ten_dimensions_two_classes_are_right(dimensions, samples):
    """The classes differ along one axis by 2 standard deviations: 0.337 nats, by integration."""
    labels = np.repeat([0, 1], samples)
    found = []
    for seed in range(4):
        values = np.random.default_rng(seed).normal(size=(2 * samples, dimensions))
        values[:, 0] += 2.0 * labels
        found.append(infoflow.estimate(values, labels, estimator="ksg", unit="nats").iym)
    assert np.mean(found) == pytest.approx(0.337, abs=0.03)


def test_a_net_is_measured_and_its_table_says_what_is_not_known(unet, loader):
    result = infoflow.analyze(
        unet, loader, estimator="ksg", target=infoflow.KMeans(3), layers=["output"], progress=False
    )
    (line,) = [line for line in str(result).splitlines() if line.startswith("22  output")]
    assert line.split()[2] == "?"


def test_all_singleton_classes_are_unknown():
    found = infoflow.estimate(np.arange(6.0)[:, None], np.arange(6), estimator="ksg")
    assert math.isnan(found.iym)
    assert found.singleton_classes == 6


def test_without_labels_nothing_is_known():
    found = infoflow.estimate(np.arange(6.0)[:, None], estimator="ksg")
    assert math.isnan(found.ixm)
    assert math.isnan(found.iym)


@pytest.mark.parametrize("neighbours", [0, -1, 1.5, True, "3"])
def test_neighbours_must_be_whole_and_positive(neighbours):
    with pytest.raises(ValueError, match="neighbours must be a whole number of at least 1, got"):
        infoflow.KSG(neighbours=neighbours)


def test_neighbours_must_be_below_the_number_of_samples():
    with pytest.raises(ValueError, match="below the number of samples, 4, got 4"):
        infoflow.ksg(np.arange(4.0), np.arange(4.0), neighbours=4)
    with pytest.raises(ValueError, match="below the number of samples, 4, got 7"):
        infoflow.estimate(np.eye(4), [0, 0, 1, 1], estimator=infoflow.KSG(neighbours=7))


def test_rows_must_be_paired_and_finite():
    with pytest.raises(ValueError, match="got 4 and 5 rows"):
        infoflow.ksg(np.arange(4.0), np.arange(5.0))
    with pytest.raises(ValueError, match="x must be finite"):
        infoflow.ksg([0.0, math.nan, 1.0], np.arange(3.0), neighbours=1)


def test_effective_dimension_is_the_participation_ratio_of_the_eigenvalues():
    values = np.random.default_rng(0).normal(size=(40, 5)) * [10.0, 3.0, 1.0, 0.1, 1e-3]
    spectrum = np.linalg.eigvalsh(np.cov(values.T))
    expected = spectrum.sum() ** 2 / (spectrum**2).sum()
    found = effective_dimension(squared_distances(torch.from_numpy(values)))
    assert found == pytest.approx(expected, rel=1e-9)
    assert effective_dimension(torch.zeros(4, 4, dtype=torch.float64)) == 0.0
    assert effective_dimension(1.0 - torch.eye(9, dtype=torch.float64)) == pytest.approx(8.0)


def test_whole_numbers_of_numpy_are_whole_numbers():
    values, labels = np.random.default_rng(0).normal(size=(30, 1)), np.arange(30) % 2
    found = infoflow.estimate(values, labels, estimator=infoflow.KSG(neighbours=np.int64(3)))
    assert found.iym == infoflow.estimate(values, labels, estimator="ksg").iym
    with pytest.raises(ArgumentError, match="neighbours must be a whole number"):
        infoflow.ksg(values, values, neighbours="3")
