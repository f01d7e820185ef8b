"""Interval, null and second bound of many samples, from some rows of the kernel."""

import math

import pytest
import torch

from infoflow import KDE, Relative
from infoflow.estimators import kde as kde_module
from infoflow.estimators import sampled_kde
from infoflow.estimators.distances import DistanceRows, some_rows, squared_distances
from infoflow.estimators.kernel import kernel_totals
from infoflow.estimators.regression import means_as_of_all, regression_mean
from infoflow.estimators.sampled_kde import Kernels, sampled_doubt
from infoflow.estimators.shuffles import Shuffles


@pytest.fixture
def few_rows(monkeypatch):
    """Take 100 of more than 150 rows."""
    monkeypatch.setattr(sampled_kde, "ROWS", 100)
    monkeypatch.setattr(kde_module, "FEW_SAMPLES", 150)


def cloud(samples=200, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % classes
    return torch.randn(samples, 3, generator=generator, dtype=torch.float64) + labels[
        :, None
    ], labels


def by_all_rows(kde, values, labels, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(kde_module, "FEW_SAMPLES", len(values))
        return kde.estimate(squared_distances(values), labels)


@pytest.mark.parametrize("bound", ["upper", "lower"])
@pytest.mark.parametrize("classes", [3, 40])
def test_sums_of_drawn_rows_are_those_of_plain_loops(few_rows, bound, classes):
    values, labels = cloud(classes=classes)
    distances, shuffles = squared_distances(values), Shuffles.of(labels, 6)
    factor = 0.25 if bound == "lower" else 1.0
    totals = kernel_totals([distances], labels, factor)
    found = sampled_doubt(distances, totals, labels, shuffles, Kernels(0.25, bound, True))
    rows = found.numbers
    kernel = torch.exp(-distances * factor)
    other = torch.exp(-distances * (1.25 - factor))
    own = labels[:, None] == labels
    within = kernel * own
    expected = {
        "other_total": other.sum(1)[rows],
        "other_within": (other * own).sum(1)[rows],
        "pull": (kernel / kernel.sum(1, keepdim=True)).fill_diagonal_(0.0).sum(0)[rows],
        "pull_within": (within / within.sum(1, keepdim=True)).fill_diagonal_(0.0).sum(0)[rows],
        "slope": (kernel * distances * factor).sum(1)[rows],
        "slope_within": (within * distances * factor).sum(1)[rows],
    }
    for name, numbers in expected.items():
        torch.testing.assert_close(getattr(found, name), numbers, rtol=1e-10, atol=1e-12)
    orders = [(kernel * (one[:, None] == one)).sum(1)[rows] for one in shuffles.classes]
    torch.testing.assert_close(found.shuffled, torch.stack(orders), rtol=1e-6, atol=0)


@pytest.mark.parametrize("noise", [0.3, Relative(0.1)])
@pytest.mark.parametrize("bound", ["upper", "lower"])
def test_some_rows_say_nearly_what_all_rows_say(few_rows, monkeypatch, noise, bound):
    values, labels = cloud(600)
    kde = KDE(noise, bound=bound)
    some = kde.estimate(squared_distances(values), labels)
    whole = by_all_rows(kde, values, labels, monkeypatch)
    assert (some.ixm, some.iym) == pytest.approx((whole.ixm, whole.iym), abs=1e-12)
    for name in ("ixm", "iym"):
        width, expected = (
            getattr(one, f"{name}_ci_high") - getattr(one, f"{name}_ci_low")
            for one in (some, whole)
        )
        assert 0.6 < width / expected < 1.6
        # widened by two standard errors, which 100 rows reach seldom
        assert -0.01 < getattr(whole, f"{name}_lower") - getattr(some, f"{name}_lower") < 0.15
        assert -0.01 < getattr(some, f"{name}_upper") - getattr(whole, f"{name}_upper") < 0.15
    spread = whole.iym_null_high - whole.iym_null
    assert abs(some.iym_null - whole.iym_null) < 3 * spread
    assert 0.3 < (some.iym_null_high - some.iym_null) / spread < 2


def test_with_all_rows_drawn_the_interval_is_the_jackknife(monkeypatch):
    """To first order in the share of a group: 2 % of the samples."""
    monkeypatch.setattr(sampled_kde, "ROWS", 400)
    monkeypatch.setattr(kde_module, "FEW_SAMPLES", 150)
    values, labels = cloud(400)
    for kde in (KDE(0.3), KDE(0.3, "lower"), KDE(Relative(0.1))):
        found = kde.estimate(squared_distances(values), labels)
        whole = by_all_rows(kde, values, labels, monkeypatch)
        for name in ("ixm", "iym"):
            width = getattr(whole, f"{name}_ci_high") - getattr(whole, f"{name}_ci_low")
            for end in ("low", "high"):
                expected = getattr(whole, f"{name}_ci_{end}")
                assert getattr(found, f"{name}_ci_{end}") == pytest.approx(
                    expected, abs=0.06 * width
                )
            assert getattr(found, f"{name}_lower") == pytest.approx(getattr(whole, f"{name}_lower"))
        assert found.iym_null == pytest.approx(whole.iym_null, abs=1e-6)


@pytest.mark.parametrize("noise", [0.3, Relative(0.1)])
def test_blocks_of_rows_say_what_the_matrix_says(few_rows, noise):
    values, labels = cloud()
    whole = vars(KDE(noise).estimate(squared_distances(values), labels))
    blocks = vars(KDE(noise).estimate(DistanceRows(values, 7), labels))
    for name, number in whole.items():
        if not isinstance(number, str):
            assert blocks[name] == pytest.approx(number, abs=1e-6, nan_ok=True), name


def test_a_constant_layer_and_one_that_tells_all_apart(few_rows):
    labels = torch.arange(200) % 2
    for noise in (0.5, Relative(0.1)):
        constant = KDE(noise).estimate(squared_distances(torch.full((200, 3), 7.0)), labels)
        for name in ("ixm", "ixm_lower", "ixm_upper", "iym", "iym_null", "ixm_ci_high"):
            assert getattr(constant, name) == pytest.approx(0.0, abs=1e-12)
    apart = KDE(0.1).estimate(squared_distances(100.0 * torch.eye(200)), labels)
    assert apart.ixm == pytest.approx(math.log(200))
    assert apart.ixm_lower == pytest.approx(math.log(200))
    assert apart.iym == pytest.approx(math.log(2))
    assert apart.iym_null == pytest.approx(math.log(2))
    assert apart.ixm_ci_low == pytest.approx(math.log(200))


def test_without_classes_or_shuffles(few_rows):
    values, labels = cloud()
    distances = squared_distances(values)
    alone = KDE(0.3).estimate(distances, None)
    assert math.isnan(alone.iym)
    assert alone.ixm_ci_low < alone.ixm < alone.ixm_ci_high
    bare = KDE(0.3, permutations=0).estimate(distances, labels)
    assert math.isnan(bare.iym_null)
    assert bare.iym_ci_low < bare.iym < bare.iym_ci_high


def test_some_rows_of_blocks_are_those_of_the_matrix():
    values, _ = cloud(50)
    numbers = torch.tensor([3, 11, 12, 40])
    expected = squared_distances(values)[numbers]
    torch.testing.assert_close(
        torch.cat(list(some_rows(DistanceRows(values, 3), numbers))), expected
    )


def test_a_regression_estimate_is_unbiased_and_knows_its_error():
    generator = torch.Generator().manual_seed(0)
    known = torch.randn(500, generator=generator, dtype=torch.float64)
    values = 2 * known + 0.1 * torch.randn(500, generator=generator, dtype=torch.float64)
    gaps, errors = [], []
    for _ in range(300):
        rows = torch.randperm(500, generator=generator)[:60]
        mean, error = regression_mean(values[rows], known, rows)
        gaps.append(mean - float(values.mean()))
        errors.append(error)
    gaps, errors = torch.tensor(gaps), torch.tensor(errors)
    assert abs(float(gaps.mean())) < 3 * float(gaps.std()) / 300**0.5
    assert float(errors.mean() / gaps.std()) == pytest.approx(1.0, abs=0.15)
    assert float(gaps.std()) < 0.02  # the plain mean has 0.24


def test_means_of_some_are_as_spread_as_those_of_all():
    generator = torch.Generator().manual_seed(0)
    shared = 0.1 * torch.randn(400, 1, generator=generator, dtype=torch.float64)
    values = shared + torch.randn(400, 2000, generator=generator, dtype=torch.float64)
    found = means_as_of_all(values[:, :100], 2000)
    assert float(found.std() / values.mean(1).std()) == pytest.approx(1.0, abs=0.2)
    assert float(values[:, :100].mean(1).std() / values.mean(1).std()) > 1.25
