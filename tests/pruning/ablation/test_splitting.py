"""Held-out samples in parts that share no sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.splitting import split_samples


@given(st.integers(160, 900), st.integers(0, 99), st.integers(2, 12))
def test_parts_are_disjoint_complete_and_stratified(count, seed, number):
    classes = np.random.default_rng(seed).integers(0, number, count)
    parts = split_samples(count, seed=seed, classes=classes)
    together = np.concatenate([parts.mend, parts.choose, parts.judge])
    assert sorted(together.tolist()) == list(range(count))
    for rows, share in ((parts.mend, 0.4), (parts.choose, 0.2), (parts.judge, 0.4)):
        assert abs(len(rows) - share * count) <= 1
        for label in range(number):
            expected = share * np.count_nonzero(classes == label)
            assert abs(np.count_nonzero(classes[rows] == label) - expected) <= 2


def test_the_seed_decides():
    first, again, other = (split_samples(200, seed=seed).judge for seed in (0, 0, 1))
    assert (first == again).all()
    assert not np.array_equal(first, other)


def test_a_share_may_be_0():
    assert split_samples(64, shares=(0, 0, 1)).sizes == (0, 0, 64)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (150, {}, r"at least 64 samples to judge with, got 60 of 150.*160 samples"),
        (400, {"shares": (0.5, 0.5)}, "three numbers that sum to 1"),
        (400, {"shares": (0.5, 0.5, 0.5)}, "three numbers that sum to 1"),
        (400, {"shares": (0.5, 0.5, 0.0)}, "last above 0"),
        (400, {"classes": [0, 1]}, r"each of 400 samples, got shape \(2,\)"),
    ],
)
def test_what_cannot_be_split_gets_a_sentence(count, options, message):
    with pytest.raises(ArgumentError, match=message):
        split_samples(count, **options)
