"""Real nets: a pruned one gives what the original gives when hooks leave the stream out."""

from contextlib import contextmanager

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision.models as tv
from torch import nn

import infoflow
from infoflow.pruning.choice import find_stream
from infoflow.testing import UNet


def random_statistics(net):
    """Give norms the statistics of some data, and weights a size at which every stream counts."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = None
    for parameter in net.parameters():
        if not norms and parameter.ndim > 1:
            nn.init.normal_(parameter, 0, 1.5 * parameter[0].numel() ** -0.5)
    if norms:
        with torch.no_grad():
            net.train()(torch.randn(8, 3, 96, 96))
    return net.eval()


@contextmanager
def replaced(net, name, value):
    """Let a module give zeros, or ones."""
    module = net.get_submodule(name)
    handle = module.register_forward_hook(lambda m, args, out: torch.full_like(out, value))
    yield
    handle.remove()


@contextmanager
def zeroed_input(net, name, start, stop):
    """Let a module read zeros in some of its channels."""

    def blank(module, args):
        value = args[0].clone()
        value[:, start:stop] = 0
        return (value,)

    handle = net.get_submodule(name).register_forward_pre_hook(blank)
    yield
    handle.remove()


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
    "smp Unet, a skip": (
        *(lambda: smp.Unet("resnet18", encoder_weights=None), 64),
        "encoder.layer1.1.add->decoder.blocks.2.conv1.0",
        lambda net: zeroed_input(net, "decoder.blocks.2.conv1.0", 128, 192),
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


def check(net, size, stream, without):
    x = torch.randn(2, 3, size, size)
    slim = infoflow.prune(net, stream, x)
    assert [removed.how for removed in slim.pruning.streams] == ["cut"]
    with torch.no_grad():
        for batch in (x, torch.randn(3, 3, size, size)):
            whole = net(batch)
            with without(net):
                wanted = net(batch)
            assert (whole - wanted).abs().max() > 1e-3 * wanted.abs().max(), "it counts for nothing"
            assert (slim(batch) - wanted).abs().max() <= 1e-5 * (1 + wanted.abs().max())
    skip = find_stream(infoflow.trace(net, x), stream)
    assert slim.pruning.parameters == skip.parameters
    assert slim.pruning.multiply_adds == skip.multiply_adds
    return slim


@pytest.mark.parametrize("name", CASES)
def test_a_stream_of_a_real_net(name):
    build, size, stream, without = CASES[name]
    check(random_statistics(build()), size, stream, without)


@pytest.mark.parametrize(
    "build",
    [
        lambda: tv.googlenet(init_weights=False, aux_logits=False),
        lambda: smp.UnetPlusPlus("resnet18", encoder_weights=None),
        lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None),
    ],
    ids=["GoogLeNet", "UnetPlusPlus", "DeepLabV3Plus"],
)
def test_streams_of_a_concatenation_whose_reader_is_a_convolution(build):
    net = random_statistics(build())
    graph = infoflow.trace(net, torch.randn(1, 3, 96, 96))
    merges = [m for m in graph.merges if m.kind == "concat" and m.skips[0].parameters is not None]
    for merge in (merges[0], merges[-1]):
        (reader, *others) = merge.layers
        if others:
            continue
        skip = merge.skips[-1]
        place = merge.streams.index(skip.source)
        widths = [graph[source].shape[0] for source in merge.streams]
        start = sum(widths[:place])
        check(
            net,
            96,
            skip.name,
            lambda n, r=reader, s=start, w=widths[place]: zeroed_input(n, r, s, s + w),
        )


def test_a_depthwise_reader_loses_its_channels_and_the_next_layer_reads_fewer():
    net = random_statistics(smp.DeepLabV3Plus("resnet18", encoder_weights=None))
    x = torch.randn(2, 3, 64, 64)
    slim = infoflow.prune(net, "decoder.block1.0->decoder.block2.0.0", x)
    assert slim.pruning.streams[0].how == "cut"
    assert slim.get_submodule("decoder.block2.0.0").groups == 256
    with zeroed_input(net, "decoder.block2.0.1", 256, 304), torch.no_grad():
        torch.testing.assert_close(slim(x), net(x))


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
