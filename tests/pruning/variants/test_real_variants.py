"""Variants of real nets against hooks, and against whole runs of pruned nets."""

import pytest
import torch

import infoflow
from infoflow.pruning.choice import candidates
from tests import tiers
from tests.pruning.hooks import random_statistics
from tests.pruning.test_real_prune import CASES, REAL
from tests.pruning.variants.running import pruned_outputs, silenced_outputs

#: One stream of each small net; the thorough tier has the others, and the nets of the papers.
QUICK = (
    "ResNet, a block",
    "DenseNet, a dense connection",
    "EfficientNet, a gate",
    "ConvNeXt, a block",
    "ViT, attention",
    "the paper's U-Net, 7→11",
)


@pytest.mark.parametrize(
    "case",
    [
        *(pytest.param(CASES[name], id=name) for name in QUICK),
        *(tiers.thorough(case, id=name) for name, case in CASES.items() if name not in QUICK),
        *(tiers.thorough(case, id=f"the whole {name}") for name, case in REAL.items()),
    ],
)
def test_a_silenced_stream_of_a_real_net(case):
    build, size, stream, without = case
    net = random_statistics(build())
    x, more = torch.randn(2, 3, size, size), torch.randn(3, 3, size, size)
    graph = infoflow.trace(net, x)
    _, _, cut = pruned_outputs(net, graph, stream, x, more)
    found = silenced_outputs(graph, [stream], x, more)
    with torch.no_grad():
        for batch, (whole, (got,)), pruned in zip((x, more), found, cut, strict=True):
            with without(net):
                wanted = net(batch)
            scale = 1e-5 * (1 + wanted.abs().max())
            assert (whole - wanted).abs().max() > 1e-3 * wanted.abs().max(), "it counts for nothing"
            assert (got - wanted).abs().max() <= scale
            assert (pruned - wanted).abs().max() <= scale


def gpt2():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=32, vocab_size=50, n_positions=16, use_cache=False
    )
    return transformers.GPT2LMHeadModel(config), torch.randint(0, 50, (2, 12))


def smp_unet():
    smp = pytest.importorskip("segmentation_models_pytorch")
    return smp.Unet("resnet18", encoder_weights=None), torch.randn(2, 3, 64, 64)


@pytest.mark.thorough
@pytest.mark.parametrize("build", [gpt2, smp_unet])
def test_every_stream_is_what_a_pruned_net_computes_in_a_run_of_its_own(build):
    net, x = build()
    random_statistics(net) if x.ndim == 4 else net.eval()
    graph = infoflow.trace(net, x)
    streams = [stream for merge in graph.merges for stream in candidates(merge)]
    ((_, variants),) = silenced_outputs(graph, streams, x)
    assert len(streams) > 3
    for stream, got in zip(streams, variants, strict=True):
        try:
            slim = infoflow.prune(net, stream, x, mode="cut")
        except infoflow.interface.PruningError:
            slim = infoflow.prune(net, stream, x, mode="zero")
        wanted = infoflow.graph.running.pytree.first_tensor(slim.eval()(x))
        assert (got - wanted).abs().max() <= 1e-5 * (1 + wanted.abs().max())
