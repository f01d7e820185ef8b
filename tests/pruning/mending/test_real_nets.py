"""Nets of libraries, mended: nearer to the whole net, with the same parameters."""

import pytest
import torch
import torchvision

import infoflow
from tests import tiers


def settled(net, value):
    """Give batch norms the statistics of the samples, so that values do not vanish with depth."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    net.train()
    with torch.no_grad():
        net(value)
    return net.eval()


def vision_transformer():
    timm = pytest.importorskip("timm")
    net = timm.models.vision_transformer.VisionTransformer(
        img_size=16, patch_size=4, embed_dim=32, depth=3, num_heads=2, num_classes=5
    )
    return net, torch.randn(64, 3, 16, 16), "blocks.1.add->blocks.1.add:2"


def torchvision_transformer():
    """Its attention is nn.MultiheadAttention."""
    net = torchvision.models.VisionTransformer(16, 4, 2, 2, 32, 64, num_classes=5)
    torch.nn.init.normal_(net.heads.head.weight)
    stream = "encoder.layers.encoder_layer_0.mlp.3->encoder.layers.encoder_layer_0.add:2"
    return net, torch.randn(64, 3, 16, 16), stream


def language_model():
    """Its linear layers are addmm with weights (inputs, outputs); head and embedding are one."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_embd=32,
        n_layer=2,
        n_head=2,
        vocab_size=50,
        n_positions=32,
        use_cache=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    net = transformers.GPT2LMHeadModel(config)
    stream = "transformer.h.0.mlp.c_proj->transformer.h.0.add:2"
    return net, torch.randint(0, 50, (48, 16)), stream


def mobile_net():
    """Inverted residuals of depthwise convolutions, with gates."""
    net = torchvision.models.mobilenet_v3_small(num_classes=10, width_mult=0.35)
    value = torch.randn(256, 3, 32, 32)
    net = settled(net, value)
    sums = [merge for merge in infoflow.trace(net, value[:2]).merges if merge.kind == "add"]
    return net, value, sums[0].skips[0].name


def prediction(net, value):
    with torch.no_grad():
        output = net(value)
    return output if isinstance(output, torch.Tensor) else output["logits"]


# gates have a row a sample, fewer than their unknowns
@pytest.mark.filterwarnings("ignore::infoflow.interface.PruningWarning")
@pytest.mark.parametrize(
    "make",
    [
        torchvision_transformer,
        tiers.thorough(vision_transformer),
        tiers.thorough(language_model),
        tiers.thorough(mobile_net),
    ],
)
def test_a_cascade_brings_the_prediction_back(make):
    torch.manual_seed(0)
    net, value, stream = make()
    net.eval()
    batches = list(value.split(32))
    plain = infoflow.prune(net, stream, value[:2])
    slim = infoflow.prune(net, stream, value[:2], mend="cascade", calibrate=batches)
    wanted = prediction(net, value)
    left, lost = ((prediction(one, value) - wanted).square().mean() for one in (slim, plain))
    assert left < 0.3 * lost
    assert {n: v.shape for n, v in slim.state_dict().items()} == {
        n: v.shape for n, v in plain.state_dict().items()
    }
    left_alone = dict(slim.pruning.mending.left)
    if make is language_model:
        assert left_alone == {"lm_head": "its weights are used more than once"}
    else:
        assert not left_alone
