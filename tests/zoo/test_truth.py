"""Merges of segmentation-models-pytorch's nets, counted from their sources, kept as text."""

from collections import Counter

import pytest
import torch

import infoflow
from tests.graph.test_real_models import check_snapshot, merges_as_text

smp = pytest.importorskip("segmentation_models_pytorch")

#: Kinds of merges with a ResNet-18 encoder: 8 additions are its own.
TRUTH = {
    "Unet": {"add": 8, "concat": 4},
    "UnetPlusPlus": {"add": 8, "concat": 10},
    "DeepLabV3Plus": {"add": 8, "concat": 2},
}


@pytest.mark.parametrize("name", TRUTH)
def test_merges(name):
    model = getattr(smp, name)("resnet18", encoder_weights=None)
    graph = infoflow.trace(model, torch.rand(2, 3, 128, 128))
    assert Counter(merge.kind for merge in graph.merges) == TRUTH[name]
    assert graph.verification.label == "exact"
    check_snapshot(f"smp_{name.lower()}", merges_as_text(graph))


def test_unet_plus_plus_has_six_concatenations_that_only_feed_others():
    """16 are written in its decoder; a bundle of bundles is one."""
    model = smp.UnetPlusPlus("resnet18", encoder_weights=None)
    graph = infoflow.trace(model, torch.rand(2, 3, 64, 64))
    written = [n for n in graph.program.nodes if getattr(n.target, "__name__", "") == "cat"]
    assert len(written) == 16
