"""Nets of segmentation-models-pytorch without one of their streams."""

import pytest
import torch

import infoflow
from tests.pruning.hooks import check, check_concatenations, random_statistics, zeroed_input

smp = pytest.importorskip("segmentation_models_pytorch")


def test_a_skip_of_a_unet():
    check(
        random_statistics(smp.Unet("resnet18", encoder_weights=None)),
        64,
        "encoder.layer1.1.add->decoder.blocks.2.conv1.0",
        lambda net: zeroed_input(net, "decoder.blocks.2.conv1.0", 128, 192),
    )


@pytest.mark.parametrize("name", ["UnetPlusPlus", "DeepLabV3Plus"])
def test_skips_of_concatenations(name):
    check_concatenations(getattr(smp, name)("resnet18", encoder_weights=None), 96)


def test_a_depthwise_reader_loses_its_channels_and_the_next_layer_reads_fewer():
    net = random_statistics(smp.DeepLabV3Plus("resnet18", encoder_weights=None))
    x = torch.randn(2, 3, 64, 64)
    slim = infoflow.prune(net, "decoder.block1.0->decoder.block2.0.0", x)
    assert slim.pruning.streams[0].how == "cut"
    assert slim.get_submodule("decoder.block2.0.0").groups == 256
    with zeroed_input(net, "decoder.block2.0.1", 256, 304), torch.no_grad():
        torch.testing.assert_close(slim(x), net(x))
