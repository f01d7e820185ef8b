"""Replicates and intervals of the jackknife, against its textbook cases and plain loops."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from infoflow.estimators.jackknife import (
    deal_groups,
    group_jackknife,
    jackknife_error,
    jackknife_interval,
)


def test_every_sample_is_left_out_once_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    dealt = deal_groups(23, groups=5, seed=4)
    assert sorted(dealt.bincount().tolist()) == [4, 4, 5, 5, 5]
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(dealt, deal_groups(23, groups=5, seed=5))


def test_jackknife_error_of_a_mean_is_the_standard_error():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=40))
    replicates = group_jackknife(lambda kept: float(values[kept].mean()), 40, groups=100)
    assert len(replicates) == 40
    expected = float(values.std()) / math.sqrt(40)
    assert jackknife_error(replicates) == pytest.approx(expected, rel=1e-12)
    ends = jackknife_interval(float(values.mean()), replicates)
    expected = stats.t.interval(0.95, 39, loc=float(values.mean()), scale=expected)
    assert (ends.low, ends.high) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deal_groups(1), "at least 2 samples and 2 groups, got 1 samples"),
        (lambda: deal_groups(9, groups=1), "got 9 samples and 1 groups"),
        (lambda: jackknife_interval(0.0, torch.zeros(1)), "at least 2 replicates, got 1"),
        (lambda: jackknife_interval(0.0, torch.zeros(5), confidence=95), "between 0 and 1, got 95"),
    ],
)
def test_what_cannot_be_jackknifed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
