"""H(Bin) of units, and distances within and between classes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import infoflow
from infoflow.estimators.clusters import UnitCounts
from infoflow.interface import ActivationError
from tests.estimators import twins


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 2.0]), st.integers(1, 7))
def test_units_equal_the_slow_twin_whole_and_in_batches(seed, bin_size, batch):
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (int(random.integers(1, 30)), int(random.integers(1, 5))))
    expected = twins.unit_entropies(values, bin_size)
    whole = infoflow.unit_entropies(values, bin_size)
    np.testing.assert_allclose(whole, expected, atol=1e-12)
    counts = UnitCounts(bin_size)
    for part in torch.from_numpy(values).split(batch):
        counts.update(part)
    np.testing.assert_allclose(counts.entropies(), expected, atol=1e-12)


def test_a_saturated_unit_has_one_bit_and_a_constant_one_none():
    values = np.array([[-1.0, 0.3], [1.0, 0.3], [-1.0, 0.3], [1.0, 0.3]])
    assert infoflow.unit_entropies(values).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bin_size", [0, -0.1, math.nan, math.inf, "a"])
def test_bin_size_must_be_positive(bin_size):
    with pytest.raises(ValueError, match="bin_size must be a number greater than 0, got"):
        infoflow.unit_entropies([[1.0], [2.0]], bin_size=bin_size)


def test_bins_that_overflow_and_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="too small"):
        infoflow.unit_entropies([[1e12], [2.0]])
    with pytest.raises(ValueError, match="finite"):
        infoflow.unit_entropies([[math.nan], [2.0]])


def test_units_of_a_net_are_counted_over_a_loader(unet, loader, blobs):
    state = torch.get_rng_state()
    found = infoflow.layer_unit_entropies(unet, loader, layers=["encoder.4.2"], bin_size=0.1)
    assert torch.equal(state, torch.get_rng_state())
    values = infoflow.trace(unet, blobs.tensors[0][:2]).values(blobs.tensors[0])["encoder.4.2"]
    expected = infoflow.unit_entropies(values, 0.1).view(values.shape[1:])
    assert list(found) == ["encoder.4.2"]
    np.testing.assert_allclose(found["encoder.4.2"], expected, atol=1e-12)


def test_histograms_count_every_pair_once():
    random = np.random.default_rng(0)
    values, labels = random.normal(size=(20, 3)), random.integers(0, 3, 20)
    found = infoflow.distance_histograms(twins.squared_distances(values), labels, bins=7)
    kinds = {True: [], False: []}
    for i in range(20):
        for j in range(i):
            kinds[bool(labels[i] == labels[j])].append(math.dist(values[i], values[j]))
    for same, shares in ((True, found.within), (False, found.between)):
        counts = np.histogram(kinds[same], found.edges)[0]
        np.testing.assert_allclose(shares, counts / len(kinds[same]))
    assert found.within_pairs + found.between_pairs == 190
    assert found.between_median == pytest.approx(np.median(kinds[False]))
    assert found.edges[-1] == pytest.approx(max(kinds[True] + kinds[False]))


def test_samples_that_all_coincide_fall_into_the_first_bin():
    found = infoflow.distance_histograms(np.zeros((4, 4)), [0, 0, 1, 1], bins=3)
    assert found.within.tolist() == found.between.tolist() == [1.0, 0.0, 0.0]


def test_singletons_have_no_pairs_within():
    found = infoflow.distance_histograms(1.0 - np.eye(3), [0, 1, 2], bins=2)
    assert np.isnan(found.within).all()
    assert math.isnan(found.within_median)
    assert found.between.sum() == 1.0


@pytest.mark.parametrize("bins", [0, -1, 2.5])
def test_bins_must_be_positive(bins):
    with pytest.raises(ValueError, match="bins must be a whole number of at least 1, got"):
        infoflow.distance_histograms(np.eye(3), [0, 0, 1], bins=bins)


def test_distances_must_be_a_square():
    with pytest.raises(ValueError, match=r"shape \(N, N\), got \(3, 2\)"):
        infoflow.distance_histograms(np.ones((3, 2)), [0, 0, 1])


def test_the_figure_shows_the_histograms():
    values = np.concatenate([np.random.default_rng(0).normal(c, 1, (30, 2)) for c in (0, 8)])
    histograms = infoflow.distance_histograms(
        twins.squared_distances(values), np.repeat([0, 1], 30), bins=20
    )
    ax = infoflow.plots.distances(histograms)
    drawn = [patch.get_data().values for patch in ax.patches]
    assert any(np.array_equal(values, histograms.within) for values in drawn)
    assert any(np.array_equal(values, histograms.between) for values in drawn)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "within classes",
        "between classes",
    ]


@pytest.mark.parametrize("nothing", [[], 3.0])
def test_unit_entropies_of_no_rows(nothing):
    with pytest.raises(ActivationError, match="a row for each sample"):
        infoflow.unit_entropies(nothing)


def test_a_numpy_number_is_a_bin_size():
    values = [[0.0], [1.0]]
    assert infoflow.unit_entropies(values, bin_size=np.float32(0.5)).item() == 1.0
