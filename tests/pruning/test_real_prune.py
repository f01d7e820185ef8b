"""Real nets: a pruned one gives what the original gives when hooks leave the stream out.

The quick tier has small nets of the same classes, and the thorough one the nets of the papers.
"""

from functools import partial

import pytest
import torch
import torchvision.models as tv

import infoflow
from infoflow.testing import UNet
from tests import small_nets, tiers
from tests.pruning.hooks import (
    check,
    check_concatenations,
    random_statistics,
    replaced,
    zeroed_input,
)


def dense(build, place, channels, reader):
    """Return how a dense layer's reader is deprived of its channels."""
    layer = f"features.denseblock1.denselayer{place}.conv2"
    name = f"features.{reader}"
    return build, f"{layer}->{name}", lambda net: zeroed_input(net, name, *channels)


def block(build, stream, module, value=0):
    """Return how a module's output becomes zeros or ones."""
    return build, stream, lambda net: replaced(net, module, value)


def families(nets, size, first, growth):
    """Return a case for each family: net, size, stream, how hooks leave it out."""
    fourth, sixth = first + growth, first + 5 * growth
    resnet, densenet, efficientnet, convnext = nets
    mbconv = partial(block, efficientnet)
    cases = {
        "ResNet, a block": block(resnet, "layer1.1.conv2->layer1.1.add", "layer1.1.bn2"),
        "ResNet, an identity": block(
            resnet, "layer2.0.downsample.0->layer2.0.add", "layer2.0.downsample.1"
        ),
        "DenseNet, a dense connection": dense(
            densenet, 2, (fourth, fourth + growth), "denseblock1.denselayer4.conv1"
        ),
        "DenseNet, into a transition": dense(
            densenet, 6, (sixth, sixth + growth), "transition1.conv"
        ),
        "EfficientNet, a block": mbconv(
            "features.2.1.block.3.0->features.2.1.add", "features.2.1.block.3.1"
        ),
        "EfficientNet, a gate": mbconv(
            "features.2.0.block.2.fc2->features.2.0.block.2.mul",
            "features.2.0.block.2.scale_activation",
            1,
        ),
        "ConvNeXt, a block": block(
            convnext, "features.1.1.block.5->features.1.1.add", "features.1.1.block.6"
        ),
    }
    return {name: (build, size, *others) for name, (build, *others) in cases.items()}


REAL = families((tv.resnet18, tv.densenet121, tv.efficientnet_b0, tv.convnext_tiny), 64, 64, 32)
CASES = {
    **families(
        (small_nets.resnet, small_nets.densenet, small_nets.efficientnet, small_nets.convnext),
        *(32, 16, 8),
    ),
    "ViT, attention": (
        *(small_nets.vit, 32),
        "encoder.layers.encoder_layer_1.self_attention->encoder.layers.encoder_layer_1.add",
        lambda net: replaced(net, "encoder.layers.encoder_layer_1.dropout", 0),
    ),
    "ViT, an MLP": (
        *(small_nets.vit, 32),
        "encoder.layers.encoder_layer_0.mlp.3->encoder.layers.encoder_layer_0.add:2",
        lambda net: replaced(net, "encoder.layers.encoder_layer_0.mlp", 0),
    ),
    "the paper's U-Net, 7→11": (
        *(lambda: UNet(base_channels=4), 32, "7->11"),
        lambda net: zeroed_input(net, "decoder.0.0", 0, 32),
    ),
    "the paper's U-Net, the main stream": (
        *(lambda: UNet(base_channels=4), 32, "10->11"),
        lambda net: zeroed_input(net, "decoder.0.0", 32, 64),
    ),
}


each_case = pytest.mark.parametrize(
    "case",
    [
        *(pytest.param(case, id=name) for name, case in CASES.items()),
        *(tiers.thorough(case, id=f"the whole {name}") for name, case in REAL.items()),
    ],
)


@each_case
def test_a_stream_of_a_real_net(case):
    build, size, stream, without = case
    check(random_statistics(build()), size, stream, without)


@pytest.mark.thorough
def test_streams_of_googlenet():
    check_concatenations(tv.googlenet(init_weights=False, aux_logits=False), 96)


def test_a_channel_shuffle_cannot_be_cut_and_is_zeroed():
    net = random_statistics(small_nets.shufflenet())
    x = torch.randn(2, 3, 64, 64)
    stream = infoflow.trace(net, x).merges[2].skips[0]
    with pytest.warns(infoflow.interface.PruningWarning, match="mixes streams"):
        slim = infoflow.prune(net, stream, x)
    assert slim.pruning.streams[0].how == "zeroed"
    assert not torch.allclose(slim(x), net(x))
    with pytest.raises(infoflow.interface.PruningError, match="mode='zero'"):
        infoflow.prune(net, stream, x, mode="cut")
