"""Layers that share the shuffles of their classes."""

import pytest
import torch

from infoflow.estimators.shuffles import Shuffles


def test_equal_classes_share_their_shuffles_and_others_do_not():
    classes = torch.arange(60) % 3
    assert Shuffles.of(classes, 20) is Shuffles.of(classes.clone(), 20)
    assert Shuffles.of(classes, 20) is not Shuffles.of(classes, 10)
    assert Shuffles.of(classes, 20) is not Shuffles.of(classes.flip(0), 20)


def test_shared_shuffles_do_not_follow_classes_that_change_later():
    classes = torch.arange(60) % 3
    before = Shuffles.of(classes, 20).classes.clone()
    classes.zero_()
    assert torch.equal(Shuffles.of(torch.arange(60) % 3, 20).classes, before)


@pytest.mark.parametrize(("samples", "is_kept"), [(4096, True), (4097, False)])
def test_shuffles_of_many_samples_are_not_kept(samples, is_kept):
    classes = torch.arange(samples) % 3
    assert (Shuffles.of(classes, 5) is Shuffles.of(classes, 5)) == is_kept
