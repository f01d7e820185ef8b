"""Binning: the twin, edges of bins, closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import infoflow
from infoflow.estimators.bin_codes import bin_digests, number_digests
from infoflow.estimators.binning import Binning
from tests.estimators import twins


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.1, 0.2, 1.0, 3.0]))
def test_equals_the_slow_twin(seed, bin_size):
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (int(random.integers(2, 40)), int(random.integers(1, 5))))
    values = np.round(values, int(random.integers(0, 3)))
    labels = np.append(0, random.integers(1, 3, len(values) - 1))
    fast = infoflow.estimate(values, labels, estimator=infoflow.Binning(bin_size), unit="nats")
    ixm, iym = twins.binning(values, labels.tolist(), bin_size)
    assert fast.ixm == pytest.approx(ixm, rel=1e-9, abs=1e-9)
    assert fast.iym == pytest.approx(iym, rel=1e-9, abs=1e-9)
    assert fast.iym <= fast.iym_ceiling + 1e-12
    assert fast.ixm_lower == fast.ixm == fast.ixm_upper


def test_zero_and_minus_zero_share_a_bin():
    values = torch.tensor([[0.0], [-0.0]])
    assert len(set(bin_digests(values, 0.2))) == 1


def test_bins_start_at_their_lower_edge():
    codes = number_digests(bin_digests(torch.tensor([[0.0], [0.49], [0.5], [-0.01]]), 0.5))
    assert codes.tolist() == [0, 0, 1, 2]


def test_order_of_units_matters_but_number_of_codes_does_not_overflow():
    values = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    assert len(set(bin_digests(values, 1.0))) == 2


def test_four_equal_groups_are_two_bits():
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 5)[:, None]
    numbers = infoflow.estimate(values, np.repeat([0, 0, 1, 1], 5), estimator="binning")
    assert numbers.ixm == pytest.approx(2.0)
    assert numbers.iym == pytest.approx(1.0)


@pytest.mark.parametrize("bin_size", [0.0, -1.0, math.nan, math.inf])
def test_bin_size_must_be_positive(bin_size):
    with pytest.raises(ValueError, match="bin_size must be a number greater than 0, got"):
        Binning(bin_size=bin_size)


def test_bins_that_overflow_are_refused():
    with pytest.raises(ValueError, match="too small for activations as large as 1e\\+12"):
        infoflow.estimate(np.array([[0.0], [1e12]]), estimator=infoflow.Binning(0.1))
