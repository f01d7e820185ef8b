"""Intervals and nulls of the estimators, relative noise, and sums in blocks of rows."""

import math
import warnings

import numpy as np
import pytest
import torch

import infoflow
from infoflow.estimators import shuffles as shuffles_module
from infoflow.estimators.distances import DistanceRows, squared_distances
from infoflow.estimators.information import about_shuffled_classes
from infoflow.estimators.jackknife import deal_groups, jackknife_interval
from infoflow.estimators.kde import KDE
from infoflow.estimators.kernel import bound_sums, kernel_sums
from infoflow.estimators.shuffles import Shuffles
from infoflow.estimators.uncertainty import shuffled
from infoflow.interface import HighDimensionWarning
from tests.estimators import twins


def cloud(samples=60, units=3, classes=4, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    return random.normal(size=(samples, units)) + labels[:, None], labels


def without_group(values, labels, estimator, group):
    keep = (deal_groups(len(values)) != group).numpy()
    return infoflow.estimate(values[keep], labels[keep], estimator=estimator, unit="nats")


@pytest.mark.parametrize(
    "estimator",
    [
        KDE(0.5, permutations=0),
        KDE(0.5, "lower", permutations=0),
        infoflow.Binning(0.7, permutations=0),
    ],
)
def test_interval_is_the_jackknife_by_definition(estimator):
    values, labels = cloud()
    whole = infoflow.estimate(values, labels, estimator=estimator, unit="nats")
    parts = [without_group(values, labels, estimator, group) for group in range(50)]
    for name, most in (("ixm", math.log(60)), ("iym", math.log(len(set(labels.tolist()))))):
        replicates = torch.tensor([getattr(part, name) for part in parts], dtype=torch.float64)
        expected = jackknife_interval(getattr(whole, name), replicates, 0.0, most)
        assert getattr(whole, f"{name}_ci_low") == pytest.approx(expected.low, abs=1e-9)
        assert getattr(whole, f"{name}_ci_high") == pytest.approx(expected.high, abs=1e-9)
        assert expected.low < getattr(whole, name) < expected.high


def test_interval_with_relative_noise_follows_the_scale_of_what_is_left():
    """Exact for the noise's share of a scale, first order in the change of the scale."""
    values, labels = cloud(200)
    estimator = KDE(infoflow.Relative(0.2), permutations=0)
    whole = infoflow.estimate(values, labels, estimator=estimator, unit="nats")
    parts = [without_group(values, labels, estimator, group) for group in range(50)]
    for name in ("ixm", "iym"):
        replicates = torch.tensor([getattr(part, name) for part in parts], dtype=torch.float64)
        expected = jackknife_interval(getattr(whole, name), replicates, 0.0, math.log(200))
        width = expected.high - expected.low
        assert getattr(whole, f"{name}_ci_low") == pytest.approx(expected.low, abs=0.02 * width)


@pytest.mark.parametrize("classes", [3, 30])
def test_null_is_that_of_shuffled_labels(classes):
    values, labels = cloud(90, classes=classes)
    labels = np.unique(labels, return_inverse=True)[1]
    numbers = infoflow.estimate(values, labels, noise=0.5, unit="nats")
    orders = shuffled(torch.as_tensor(labels), 100)
    shuffles = [twins.kde(values, order.tolist(), 0.5, 2)[1] for order in orders[:20]]
    few = infoflow.estimate(values, labels, estimator=KDE(0.5, permutations=20), unit="nats")
    assert few.iym_null == pytest.approx(np.mean(shuffles), abs=1e-6)
    assert few.iym_null_high == pytest.approx(np.quantile(shuffles, 0.95), abs=1e-6)
    assert numbers.iym_null < numbers.iym_null_high < numbers.iym


def test_labels_that_mean_nothing_are_within_the_null():
    values, _ = cloud(300)
    labels = np.random.default_rng(1).integers(0, 3, 300)
    for estimator in (KDE(0.5), infoflow.Binning(1.0)):
        numbers = infoflow.estimate(values, labels, estimator=estimator)
        assert abs(numbers.iym - numbers.iym_null) < 3 * (numbers.iym_null_high - numbers.iym_null)


@pytest.mark.parametrize("noise", [0.5, infoflow.Relative(0.1)])
@pytest.mark.parametrize("rows", [1, 7, 60])
def test_blocks_of_rows_say_what_the_matrix_says(noise, rows):
    values, labels = cloud()
    values, labels = torch.as_tensor(values), torch.as_tensor(labels)
    whole = KDE(noise).estimate(squared_distances(values), labels)
    blocks = KDE(noise).estimate(DistanceRows(values, rows), labels)
    for name in ("ixm", "iym", "ixm_lower", "iym_upper", "iym_ci_low", "iym_null", "ixm_ci_high"):
        assert getattr(blocks, name) == pytest.approx(getattr(whole, name), abs=1e-6)


@pytest.mark.parametrize("estimator", [KDE(), KDE(infoflow.Relative()), infoflow.Binning()])
def test_a_constant_layer_says_nothing_plainly(estimator):
    numbers = infoflow.estimate(np.full((20, 3), 7.0), np.arange(20) % 2, estimator=estimator)
    for name in ("ixm", "iym", "ixm_ci_low", "ixm_ci_high", "iym_ci_low", "iym_null"):
        assert getattr(numbers, name) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (0.0, "noise must be a number greater than 0, got 0.0"),
        (math.nan, "noise must be a number greater than 0, got nan"),
        ("much", "noise must be a variance, 'relative', an infoflow.Relative"),
        ([1.0], "A sweep of noise needs at least 2 points"),
        ([1.0, 1.0], "needs points that differ"),
        ([1.0, 2.0], "This takes one noise, got a sweep of 2"),
    ],
)
def test_noise_that_cannot_be_used(noise, message):
    with pytest.raises(ValueError, match=message):
        infoflow.estimate(np.eye(3), noise=noise)


def test_share_must_be_positive():
    with pytest.raises(ValueError, match="share must be a number greater than 0, got -1"):
        infoflow.Relative(-1)


@pytest.mark.parametrize("bound", ["upper", "lower"])
def test_nothing_of_a_constant_layer_is_below_0(bound):
    """A null of -6e-17 was printed as -0.00."""
    labels = np.random.default_rng(0).integers(0, 3, 60)
    found = infoflow.estimate(np.full((60, 3), 7.1), labels, estimator=KDE(1.0, bound))
    for value in (found.ixm, found.iym, found.iym_null, found.iym_null_high, found.iym_ci_low):
        assert f"{value}" == "0.0"


def test_sums_over_shuffled_classes_are_those_of_a_plain_loop():
    """Large classes, small ones and singletons, in blocks of rows."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.cat([torch.zeros(60), torch.arange(1, 9).repeat(5), torch.arange(9, 20)]).long()
    kernel = torch.rand(len(classes), len(classes), generator=generator, dtype=torch.float64)
    permuted = shuffled(classes, 7)
    shuffles = Shuffles(permuted)
    blocks = [slice(0, 40), slice(40, 41), slice(41, len(classes))]
    sums = torch.cat([shuffles.sums(kernel[rows], rows) for rows in blocks])
    expected = [(kernel * (order[:, None] == order)).sum(1) for order in permuted]
    torch.testing.assert_close(sums, torch.stack(expected, 1), rtol=1e-6, atol=0)


def test_shuffles_in_cells_keep_the_classes_and_sum_as_a_plain_loop(monkeypatch):
    monkeypatch.setattr(shuffles_module, "_CELLS", 16)
    monkeypatch.setattr(shuffles_module, "_CELLS_PER_CLASS", 2)
    generator = torch.Generator().manual_seed(0)
    classes = torch.cat([torch.zeros(60), torch.ones(31), torch.arange(2, 11)]).long()
    kernel = torch.rand(len(classes), len(classes), generator=generator, dtype=torch.float64)
    shuffles = Shuffles.of(classes, 7)
    assert len(torch.unique(shuffles.classes, dim=1).T) < 60  # cells of four samples
    for order in shuffles.classes:
        assert order.bincount().tolist() == classes.bincount().tolist()
    found = kernel_sums([-kernel.log()], classes, shuffles).shuffled
    expected = [(kernel * (order[:, None] == order)).sum(1) for order in shuffles.classes]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-6, atol=0)


def null_in_cells_beside_free_shuffles(seed, samples, classes):
    """Return the share of free shuffles below the quantile, and the gap of the means in spreads."""
    values, labels = cloud(samples, classes=classes, seed=seed)
    distances, labels = squared_distances(torch.as_tensor(values)), torch.as_tensor(labels)
    null = KDE(0.5).estimate(distances, labels)
    generator = torch.Generator().manual_seed(1000 + seed)
    orders = torch.stack([torch.randperm(samples, generator=generator) for _ in range(60)])
    free = Shuffles(labels[orders])
    found = about_shuffled_classes(kernel_sums([distances], labels, free), labels)
    below = float((found <= null.iym_null_high).double().mean())
    return below, float((null.iym_null - found.mean()) / found.std())


@pytest.mark.thorough
@pytest.mark.parametrize("classes", [3, 12])
def test_the_null_in_cells_is_that_of_free_shuffles_in_200_seeds(classes):
    found = [null_in_cells_beside_free_shuffles(seed, 1100, classes) for seed in range(200)]
    below, gap = torch.tensor(found).T
    assert float(below.mean()) == pytest.approx(0.95, abs=0.015)
    assert abs(float(gap.mean())) < 0.05
    assert float(gap.std()) < 0.35  # the means of 100 and of 60 free shuffles differ by 0.16


def test_the_null_in_cells_is_near_that_of_free_shuffles(monkeypatch):
    monkeypatch.setattr(shuffles_module, "_CELLS", 128)
    found = [null_in_cells_beside_free_shuffles(seed, 400, 3) for seed in range(12)]
    below, gap = torch.tensor(found).T
    assert float(below.mean()) == pytest.approx(0.95, abs=0.04)
    assert abs(float(gap.mean())) < 0.3


@pytest.mark.parametrize("classes", [2, 30, 45])
@pytest.mark.parametrize("bound", ["upper", "lower"])
def test_both_bounds_and_all_sums_are_those_of_plain_loops(classes, bound):
    """Few classes, whose sums come from a product, and many, which are masked."""
    values, labels = cloud(90, classes=classes, seed=3)
    labels = torch.as_tensor(np.unique(labels, return_inverse=True)[1])
    distances = squared_distances(torch.as_tensor(values))
    own, groups = labels[:, None] == labels, deal_groups(90)
    sums, others = bound_sums([distances], labels, factor=0.25, bound=bound, with_slope=True)
    steep, flat = torch.exp(-distances), torch.exp(-distances / 4)
    kernel, other = (steep, flat) if bound == "upper" else (flat, steep)
    slope = kernel * distances * (1.0 if bound == "upper" else 0.25)
    expected = {
        "total": kernel.sum(1),
        "within": (kernel * own).sum(1),
        "total_by_group": torch.stack([kernel[:, groups == g].sum(1) for g in range(50)], 1),
        "within_by_group": torch.stack(
            [(kernel * own)[:, groups == g].sum(1) for g in range(50)], 1
        ),
        "total_slope": slope.sum(1),
        "within_slope": (slope * own).sum(1),
    }
    for name, value in expected.items():
        torch.testing.assert_close(getattr(sums, name), value, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(others.total, other.sum(1), rtol=1e-12, atol=0)
    torch.testing.assert_close(others.within, (other * own).sum(1), rtol=1e-12, atol=0)


def test_values_alone_are_those_of_the_estimate():
    values, labels = cloud()
    distances, classes = squared_distances(torch.as_tensor(values)), torch.as_tensor(labels)
    for estimator in (KDE(0.5), KDE(0.5, "lower"), KDE(infoflow.Relative(0.2))):
        whole = estimator.estimate(distances, classes)
        assert estimator.values(distances, classes) == pytest.approx((whole.ixm, whole.iym))
        assert math.isnan(estimator.values(distances, None)[1])


@pytest.mark.parametrize("estimator", ["kde", "binning", "equal-mass", "ksg", "renyi"])
def test_intervals_end_where_y_does(estimator):
    """Y is known from each value, and is less than a bit."""
    labels = np.array([0] * 8 + [1] * 32)
    values = 10.0 * labels[:, None] + np.random.default_rng(0).normal(size=(40, 1)) / 100
    found = infoflow.estimate(values, labels, estimator=estimator)
    assert found.iym_ceiling < 0.75
    # the classes of other samples may be more alike in number, but are no more than two
    assert found.iym_ci_high <= 1.0 + 1e-12
    assert found.ixm_ci_high <= found.ixm_ceiling or math.isnan(found.ixm_ci_high)


def test_without_enough_samples_in_the_rest_there_is_no_interval():
    values, labels = np.random.default_rng(0).normal(size=(20, 1)), np.arange(20) % 2
    found = infoflow.estimate(values, labels, estimator=infoflow.KSG(neighbours=18))
    assert math.isfinite(found.iym)
    assert math.isnan(found.iym_ci_low)


@pytest.mark.parametrize("estimator", [infoflow.KSG(), infoflow.Renyi(), infoflow.Renyi(2.0, 1.0)])
def test_the_short_way_to_the_null_is_the_long_one(estimator):
    random = np.random.default_rng(0)
    labels = torch.as_tensor(random.integers(0, 3, 60))
    values = torch.as_tensor(random.normal(size=(60, 2))) + labels[:, None]
    distances = squared_distances(values)
    orders = shuffled(labels, 5)
    long = [estimator.estimate(distances, order).iym for order in orders]
    assert estimator.about_shuffled(distances, orders).tolist() == pytest.approx(long, abs=1e-12)


def test_many_dimensions_are_told_once():
    values, labels = np.random.default_rng(0).normal(size=(60, 40)), np.arange(60) % 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        infoflow.estimate(values, labels, estimator="ksg")
    assert [one.category for one in caught] == [HighDimensionWarning]
