"""Real nets: a pruned one gives what the original gives when hooks leave the stream out."""

import pytest
import torch
import torchvision.models as tv

import infoflow
from infoflow.testing import UNet
from tests.pruning.hooks import (
    check,
    check_concatenations,
    random_statistics,
    replaced,
    zeroed_input,
)


def vit():
    return tv.VisionTransformer(32, 8, 2, 2, 64, 128)


#: net, size, stream, how hooks leave it out
CASES = {
    "ResNet, a block": (
        *(tv.resnet18, 64, "layer1.1.conv2->layer1.1.add"),
        lambda net: replaced(net, "layer1.1.bn2", 0),
    ),
    "ResNet, an identity": (
        *(tv.resnet18, 64, "layer2.0.downsample.0->layer2.0.add"),
        lambda net: replaced(net, "layer2.0.downsample.1", 0),
    ),
    "DenseNet, a dense connection": (
        *(tv.densenet121, 64),
        "features.denseblock1.denselayer2.conv2->features.denseblock1.denselayer4.conv1",
        lambda net: zeroed_input(net, "features.denseblock1.denselayer4.conv1", 96, 128),
    ),
    "DenseNet, into a transition": (
        *(tv.densenet121, 64),
        "features.denseblock1.denselayer6.conv2->features.transition1.conv",
        lambda net: zeroed_input(net, "features.transition1.conv", 224, 256),
    ),
    "EfficientNet, a block": (
        *(tv.efficientnet_b0, 64, "features.2.1.block.3.0->features.2.1.add"),
        lambda net: replaced(net, "features.2.1.block.3.1", 0),
    ),
    "EfficientNet, a gate": (
        *(tv.efficientnet_b0, 64, "features.2.0.block.2.fc2->features.2.0.block.2.mul"),
        lambda net: replaced(net, "features.2.0.block.2.scale_activation", 1),
    ),
    "ConvNeXt, a block": (
        *(tv.convnext_tiny, 64, "features.1.1.block.5->features.1.1.add"),
        lambda net: replaced(net, "features.1.1.block.6", 0),
    ),
    "ViT, attention": (
        *(vit, 32),
        "encoder.layers.encoder_layer_1.self_attention->encoder.layers.encoder_layer_1.add",
        lambda net: replaced(net, "encoder.layers.encoder_layer_1.dropout", 0),
    ),
    "ViT, an MLP": (
        *(vit, 32),
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


@pytest.mark.parametrize("name", CASES)
def test_a_stream_of_a_real_net(name):
    build, size, stream, without = CASES[name]
    check(random_statistics(build()), size, stream, without)


def test_streams_of_googlenet():
    check_concatenations(tv.googlenet(init_weights=False, aux_logits=False), 96)


def test_a_channel_shuffle_cannot_be_cut_and_is_zeroed():
    net = random_statistics(tv.shufflenet_v2_x0_5())
    x = torch.randn(2, 3, 64, 64)
    stream = infoflow.trace(net, x).merges[2].skips[0]
    with pytest.warns(infoflow.interface.PruningWarning, match="mixes streams"):
        slim = infoflow.prune(net, stream, x)
    assert slim.pruning.streams[0].how == "zeroed"
    assert not torch.allclose(slim(x), net(x))
    with pytest.raises(infoflow.interface.PruningError, match="mode='zero'"):
        infoflow.prune(net, stream, x, mode="cut")
