"""Cost of mending beside one forward pass over the samples that mend; of ranking sets, in seconds.

Ratios within one run; no time is asserted. Run with
``pytest -m thorough tests/benchmarks/test_mending.py -s``.
"""

import time
import warnings

import pytest
import torch

import infoflow
from infoflow.interface import InfoflowWarning
from infoflow.pruning.mending.residuals import ReaderMoments, greedy_order
from infoflow.testing import UNet

pytestmark = pytest.mark.thorough


def seconds(function, *arguments, **options):
    start = time.process_time()
    value = function(*arguments, **options)
    return time.process_time() - start, value


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    return UNet(base_channels=8).eval(), list(torch.rand(128, 3, 64, 64).split(16))


def forward(net, batches):
    with torch.no_grad():
        for batch in batches:
            net(batch)


@pytest.mark.parametrize("mender", ["reader", "cascade"])
@pytest.mark.parametrize("stream", ["7->11", "1->20"])
def test_mending_beside_a_forward_pass(case, mender, stream):
    net, batches = case
    forward(net, batches[:1])
    plain, _ = seconds(forward, net, batches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        cut, _ = seconds(infoflow.prune, net, stream, batches[0][:2])
        mended, slim = seconds(
            infoflow.prune, net, stream, batches[0][:2], mend=mender, calibrate=batches
        )
    assert slim.pruning.mending.samples == 128
    print(f"\n{mender} of {stream}: {(mended - cut) / plain:.1f} forward passes ({plain:.2f} s)")


def test_the_greedy_order_of_42_streams():
    generator = torch.Generator().manual_seed(0)
    merges = {}
    for number in range(6):
        mixing = torch.randn(7 * 144, 7 * 144, generator=generator, dtype=torch.float64)
        streams = {f"{i}->{number}": tuple(range(144 * i, 144 * (i + 1))) for i in range(7)}
        weight = torch.randn(7 * 144, 12, generator=generator, dtype=torch.float64)
        merges[str(number)] = (ReaderMoments(streams, mixing @ mixing.T / len(mixing), weight),)
    names = [name for (reader,) in merges.values() for name in reader.streams]
    first, steps = seconds(greedy_order, merges, names)
    again, _ = seconds(greedy_order, merges, names)
    assert len(steps) == 36
    print(f"\n42 streams of 144 features: {first:.2f} s, given inverses {again:.2f} s")
