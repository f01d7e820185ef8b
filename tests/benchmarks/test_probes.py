"""Cost of ``usable_streams`` in forward passes over the samples that are measured.

Ratios of CPU time within one run, on a trained small U-Net, medians of three rounds; no time is
asserted. Run with
``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_probes.py --benchmark-only -s``.
"""

import statistics

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.testing import UNet, blob_images
from tests.benchmarks import case
from tests.benchmarks.clock import show

SAMPLES = 300


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    data = TensorDataset(*blob_images(SAMPLES, size=64))
    net = UNet(base_channels=8)
    rule = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(5):
        for images, masks in DataLoader(data, batch_size=16, shuffle=True):
            found = net(images).squeeze(1)
            loss = torch.nn.functional.binary_cross_entropy(found, masks.view_as(found).float())
            rule.zero_grad()
            loss.backward()
            rule.step()
    return net.eval(), DataLoader(data, batch_size=16)


@pytest.mark.benchmark(group="probes")
@pytest.mark.parametrize("family", ["linear", "conv3x3"])
def test_all_merges_of_a_u_net(benchmark, clock, trained, family):
    """At most 5 forward passes with linear probes, and 25 with 3×3 probes."""
    net, loader = trained
    net = net.to(clock.device)

    def measure(pixels=64):
        infoflow.usable_streams(net, loader, family=family, pixels=pixels, progress=False)

    def forward():
        case.forward(net, loader)

    measure(2)  # what is imported at first use
    forward()
    # the pass is timed on either side, since other work slows both
    ways = {"before": forward, "probes": measure, "after": forward}
    rounds = clock.rounds(ways)
    passes = [2 * one["probes"] / (one["before"] + one["after"]) for one in rounds]
    show(benchmark, {"forward passes": statistics.median(passes)})
