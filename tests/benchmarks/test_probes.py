"""Cost of ``usable_streams`` in forward passes over the samples that are measured.

Ratios of CPU time within one run, on a trained small U-Net, medians of three rounds; no time is
asserted. Run with
``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_probes.py --benchmark-only -s``.
"""

import statistics
import time

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.testing import UNet, blob_images

SAMPLES = 300
ROUNDS = 3


def seconds(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


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
def test_all_merges_of_a_u_net(benchmark, trained, family):
    """At most 5 forward passes with linear probes, and 25 with 3×3 probes."""
    net, loader = trained

    def forward():
        with torch.no_grad():
            for images, _ in loader:
                net(images)

    def measure(family, pixels):
        infoflow.usable_streams(net, loader, family=family, pixels=pixels, progress=False)

    measure("linear", 2)  # what is imported at first use
    forward()

    def one_round():
        # the pass is timed on either side, since other work slows both
        plain, taken = seconds(forward), seconds(measure, family, 64)
        return 2 * taken / (plain + seconds(forward))

    ratios = []
    benchmark.pedantic(lambda: ratios.append(one_round()), rounds=ROUNDS, iterations=1)
    passes = statistics.median(ratios)
    benchmark.extra_info["forward passes"] = passes
    print(f"\n{family}: {passes:.1f} forward passes")
