"""Cost of ``ablate`` in forward passes over its held-out samples, in CPU time.

Run with ``pytest tests/benchmarks/test_ablate.py --benchmark-only -s``.
"""

import warnings

import pytest
import torch
import torchvision.models as tv
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.interface import InfoflowWarning
from infoflow.testing import UNet
from tests.benchmarks import case
from tests.benchmarks.clock import show


def held_out(samples, size=64, classes=10):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(samples, 3, size, size, generator=generator)
    return DataLoader(TensorDataset(images, torch.arange(samples) % classes), batch_size=32)


def masks(samples, seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(samples, 3, size, size, generator=generator)
    return DataLoader(TensorDataset(images, (images[:, :1] > 0.5).float()), batch_size=16)


def passes(clock, net, loader, **options):
    """Return what an ablation takes in forward passes over the samples, and the ablation."""
    found = []

    def ablate():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InfoflowWarning)
            found.append(infoflow.ablate(net, loader, progress=False, **options))

    case.forward(net, loader)
    forward = sorted(clock.seconds(lambda: case.forward(net, loader)) for _ in range(3))[1]
    return clock.seconds(ablate) / forward, found[0]


def resnet():
    return tv.resnet18(num_classes=10), held_out(192)


def vit():
    return tv.VisionTransformer(64, 8, 6, 4, 128, 256, num_classes=10), held_out(192)


@pytest.mark.benchmark(group="ablate")
@pytest.mark.parametrize("build", [resnet, vit])
def test_all_streams_as_they_are(benchmark, clock, build):
    torch.manual_seed(0)
    net, loader = build()
    net = net.eval().to(clock.device)
    taken, found = passes(clock, net, loader, mend=None, sets=None)
    streams = found.dataset.sizes["stream"]
    show(benchmark, {"forward passes": taken, "forward passes a stream": taken / streams})


@pytest.mark.benchmark(group="ablate")
def test_the_streams_of_densenet_121_ranked_and_measured(benchmark, clock):
    """Of more streams than there is time for, those that one backward pass ranks lowest."""
    torch.manual_seed(0)
    net = tv.densenet121(num_classes=10).eval().to(clock.device)
    taken, found = passes(clock, net, held_out(96), mend=None, sets=None)
    show(benchmark, {"forward passes": taken, "streams": found.dataset.sizes["stream"]})


@pytest.mark.benchmark(group="ablate")
@pytest.mark.parametrize("mend", ["reader", "cascade"])
def test_streams_of_a_u_net_mended(benchmark, clock, mend):
    torch.manual_seed(0)
    net = UNet(base_channels=8).eval().to(clock.device)
    loader = masks(192)
    plain, _ = passes(clock, net, loader, mend=None, sets=None)
    taken, found = passes(clock, net, loader, mend=mend, sets=None, calibrate=masks(128, seed=1))
    streams = found.dataset.sizes["stream"]
    show(
        benchmark,
        {"forward passes": taken, "more than plain, a stream": (taken - plain) / streams},
    )
