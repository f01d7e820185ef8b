"""Some rows stand for all: weights, sums, and estimates against plain loops and all rows."""

import numpy as np
import pytest
import torch

from infoflow import KDE, Relative
from infoflow.estimators.anchored_kde import AnchoredKDE, AnchoredValues
from infoflow.estimators.anchored_sums import AnchoredBounds
from infoflow.estimators.classes import numbered
from infoflow.estimators.distances import centred_norms, squared_distances
from infoflow.estimators.jackknife import deal_groups
from infoflow.estimators.rows import Rows, choose_rows
from infoflow.estimators.shuffles import Shuffles
from tests.estimators import twins


def cloud(samples, classes, seed=0, units=3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    values = random.normal(size=(samples, units)) + labels[:, None]
    return torch.from_numpy(values), numbered(torch.from_numpy(labels))


def anchored(kde, rows, values, labels, step=37):
    distances = squared_distances(values)
    norms = centred_norms(distances)
    shuffles = None if labels is None else Shuffles.of(labels, kde.permutations)
    meter = AnchoredKDE(kde, rows, labels, shuffles, variance=float(norms.mean()))
    for start in range(0, len(values), step):
        samples = slice(start, min(start + step, len(values)))
        meter.add(distances[samples][:, rows.numbers], samples, norms[samples])
    return meter.estimate()


@pytest.mark.parametrize("classes", [1, 3, 90])
def test_rows_are_chosen_by_class_and_weigh_as_much_as_there_are_samples(classes):
    _, labels = cloud(700, classes)
    rows = choose_rows(labels, 150, seed=3)
    assert len(rows.numbers) == pytest.approx(150, abs=3)
    assert bool((rows.numbers.diff() > 0).all())
    torch.testing.assert_close(rows.weights.sum(), torch.tensor(1.0).double())
    torch.testing.assert_close(rows.weights_without.sum(0), torch.ones(50).double())
    if classes == 3:
        shares = labels.bincount() / len(labels)
        found = torch.zeros(3).double().index_add_(0, labels[rows.numbers], rows.weights)
        torch.testing.assert_close(found, shares.double(), rtol=1e-6, atol=0)


def test_every_sample_is_a_row_equally_often():
    """Systematic steps within strata, whose order is random within the jackknife's groups."""
    labels = torch.tensor([0] * 60 + [1] * 30 + [2, 3, 3, 4])
    often = torch.zeros(len(labels))
    for seed in range(400):
        rows = choose_rows(labels, 25, seed=seed)
        often[rows.numbers] += 1
    shares = torch.stack([often[:60].mean(), often[60:90].mean(), often[90:].mean()]) / 400
    expected = torch.tensor([16 / 60, 8 / 30, 2 / 4])
    torch.testing.assert_close(shares, expected, rtol=1e-6, atol=0)
    spread = (expected * (1 - expected) / 400).sqrt()
    for part, share, error in zip(
        (often[:60], often[60:90], often[90:]), shares, spread, strict=True
    ):
        assert float((part / 400 - share).abs().max()) < 4 * float(error)


def test_weights_without_a_group_are_those_of_a_choice_from_the_other_samples():
    _, labels = cloud(300, 3)
    rows = choose_rows(labels, 60)
    groups = deal_groups(300)
    for group in (0, 17):
        left = groups != group
        sizes = labels[left].bincount()
        inside = left[rows.numbers]
        chosen = labels[rows.numbers][inside].bincount()
        expected = torch.where(
            inside, (sizes / chosen)[labels[rows.numbers]].double() / sizes.sum(), 0.0
        )
        torch.testing.assert_close(rows.weights_without[:, group], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("bound", ["upper", "lower"])
@pytest.mark.parametrize("classes", [3, 40])
def test_sums_of_rows_are_those_of_plain_loops(bound, classes):
    values, labels = cloud(120, classes, seed=1)
    distances, groups = squared_distances(values), deal_groups(120)
    rows, shuffles = choose_rows(labels, 30), Shuffles.of(labels, 6)
    meter = AnchoredBounds(rows, labels, shuffles, factor=0.25, bound=bound, with_slope=True)
    for samples in (slice(0, 50), slice(50, 51), slice(51, 120)):
        meter.add(distances[samples][:, rows.numbers], samples)
    sums, others = meter.result()
    exponents = distances[rows.numbers] * (1.0 if bound == "upper" else 0.25)
    kernel, other = torch.exp(-exponents), torch.exp(-distances[rows.numbers] * 0.25)
    other = other if bound == "upper" else other**4
    own = labels[rows.numbers][:, None] == labels
    by_group = [kernel[:, groups == group].sum(1) for group in range(50)]
    expected = {
        "total": kernel.sum(1),
        "within": (kernel * own).sum(1),
        "total_by_group": torch.stack(by_group, 1),
        "total_slope": (kernel * exponents).sum(1),
        "within_slope": (kernel * exponents * own).sum(1),
    }
    for name, numbers in expected.items():
        torch.testing.assert_close(getattr(sums, name), numbers)
    torch.testing.assert_close(others.total, other.sum(1))
    torch.testing.assert_close(others.within, (other * own).sum(1))
    orders = [(kernel * (one[rows.numbers][:, None] == one)).sum(1) for one in shuffles.classes]
    torch.testing.assert_close(sums.shuffled, torch.stack(orders), rtol=1e-6, atol=0)


@pytest.mark.parametrize("noise", [0.5, Relative(0.1)])
@pytest.mark.parametrize("bound", ["upper", "lower"])
@pytest.mark.parametrize("classes", [0, 4, 30])
def test_all_rows_give_what_the_matrix_gives(noise, bound, classes):
    values, labels = cloud(150, max(classes, 1))
    labels = labels if classes else None
    kde = KDE(noise, bound=bound, permutations=20)
    expected = kde.estimate(squared_distances(values), labels)
    rows = Rows.every(150, values.device)
    found = anchored(kde, rows, values, labels)
    for name, number in vars(expected).items():
        if not isinstance(number, str):
            # sums for shuffled classes are kept in float32
            tolerance = 1e-6 if "null" in name else 1e-9
            assert getattr(found, name) == pytest.approx(number, rel=tolerance, nan_ok=True), name


def test_values_of_rows_are_a_weighted_mean_over_plain_loops():
    values, labels = cloud(80, 3)
    rows = choose_rows(labels, 20)
    kernel = np.exp(-twins.squared_distances(values.numpy()) / 2.0)
    about_x = about_y = 0.0
    for number, weight in zip(rows.numbers.tolist(), rows.weights.tolist(), strict=True):
        own = labels == labels[number]
        inside = float(kernel[number][own.numpy()].sum())
        about_x += weight * np.log(80 / kernel[number].sum())
        about_y += weight * np.log(inside / kernel[number].sum() * 80 / int(own.sum()))
    meter = AnchoredValues(KDE(1.0), rows, labels, variance=float("nan"))
    meter.add(squared_distances(values)[:, rows.numbers], slice(0, 80))
    assert meter.values() == pytest.approx((about_x, about_y))
    estimate = anchored(KDE(1.0), rows, values, labels)
    assert (estimate.ixm, estimate.iym) == pytest.approx((about_x, about_y))


def errors_over_seeds(values, labels, kde, count, seeds):
    """Return errors over their standard errors: (seeds, 2), and the estimates' null, (seeds,)."""
    whole = kde.estimate(squared_distances(values), labels)
    scaled, nulls = [], []
    for seed in range(seeds):
        one = anchored(kde, choose_rows(labels, count, seed=seed), values, labels, step=500)
        scaled.append(
            [
                (one.ixm - whole.ixm) / one.ixm_standard_error,
                (one.iym - whole.iym) / one.iym_standard_error,
            ]
        )
        nulls.append(one.iym_null - whole.iym_null)
    return np.array(scaled), np.array(nulls)


@pytest.mark.parametrize("classes", [3, 60])
def test_the_choice_of_rows_is_unbiased_and_its_standard_error_holds(classes):
    values, labels = cloud(400, classes, seed=2)
    scaled, nulls = errors_over_seeds(values, labels, KDE(0.5, permutations=8), 100, 60)
    assert np.abs(scaled.mean(0)).max() < 3 / np.sqrt(60)
    assert (np.abs(scaled) < 2).mean(0).min() > 0.85
    assert abs(nulls.mean()) < 3 * nulls.std() / np.sqrt(60) + 1e-12


def test_a_standard_error_counts_the_samples_that_are_no_rows_only():
    labels = torch.zeros(200, dtype=torch.int64)
    values = torch.randn(200, generator=torch.Generator().manual_seed(0)).double()
    rows = choose_rows(labels, 150)
    expected = float(values[rows.numbers].std()) / 150**0.5 * (1 - 150 / 200) ** 0.5
    assert rows.standard_error(values[rows.numbers]) == pytest.approx(expected)
    assert Rows.every(200, labels.device).standard_error(values) == 0.0
