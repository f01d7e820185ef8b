"""Cost of cutting one stream and mending the net, beside a forward pass over what mends.

CPU times within one run; no time is asserted. Run with
``pytest tests/benchmarks/test_mending.py --benchmark-only -s``.
"""

import warnings
from functools import partial

import pytest
import torch

import infoflow
from infoflow.interface import InfoflowWarning
from infoflow.pruning.mending.residuals import ReaderMoments, greedy_order
from infoflow.testing import UNet
from tests.benchmarks.clock import show


@torch.no_grad()
def forward(net, batches):
    for batch in batches:
        net(batch)


def prune(net, batches, stream, mend):
    calibrate = None if mend is None else batches
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        infoflow.prune(net, stream, batches[0][:2], mend=mend, calibrate=calibrate)


@pytest.mark.benchmark(group="mending")
@pytest.mark.parametrize("stream", ["7->11", "1->20"])
def test_mending_beside_a_forward_pass(benchmark, clock, stream):
    """A U-Net of half width; 128 images of 64×64 mend."""
    torch.manual_seed(0)
    net = UNet(base_channels=8).eval().to(clock.device)
    batches = list(torch.rand(128, 3, 64, 64).to(clock.device).split(16))
    menders = {"cut": None, "cut and reader": "reader", "cut and cascade": "cascade"}
    ways = {"forward pass": partial(forward, net, batches)}
    ways |= {name: partial(prune, net, batches, stream, mend) for name, mend in menders.items()}
    show(benchmark, clock.ratios(ways, "forward pass"))


@pytest.mark.benchmark(group="mending")
def test_the_greedy_order_of_42_streams(benchmark, clock):
    """Six merges of seven streams of 144 features each; solved anew as the rival."""
    generator = torch.Generator().manual_seed(0)
    merges = {}
    for number in range(6):
        mixing = torch.randn(7 * 144, 7 * 144, generator=generator, dtype=torch.float64)
        streams = {f"{i}->{number}": tuple(range(144 * i, 144 * (i + 1))) for i in range(7)}
        weight = torch.randn(7 * 144, 12, generator=generator, dtype=torch.float64)
        merges[str(number)] = (ReaderMoments(streams, mixing @ mixing.T / len(mixing), weight),)
    names = [name for (reader,) in merges.values() for name in reader.streams]
    assert len(greedy_order(merges, names)) == 36

    def solve_each():
        for (reader,) in merges.values():
            for _ in range(7):
                torch.linalg.solve(reader.covariance, reader.weight)

    ways = {"a solution for each": solve_each, "greedy order": lambda: greedy_order(merges, names)}
    show(benchmark, clock.ratios(ways, "a solution for each"))
