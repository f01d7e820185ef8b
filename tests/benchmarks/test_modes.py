"""Cost against the number of samples, exact and by sketches.

CPU times within one run; no time is asserted. Run with
``pytest tests/benchmarks/test_modes.py --benchmark-only -s``. Anchors, on a trained net and MNIST:
``examples/many_samples``.
"""

import statistics

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from tests.benchmarks import case
from tests.benchmarks.clock import show

COUNTS = {
    "exact": [500, 1000, 2000, 4000],
    "sketch": [500, 1000, 2000, 4000, 8000],
    "anchors": [2000, 4000, 8000, 16000],
}


@pytest.mark.benchmark(group="modes")
@pytest.mark.parametrize("mode", COUNTS)
def test_cost_against_the_number_of_samples(benchmark, clock, mode):
    """A layer of 16,384 units; the exponent of N is fitted in logarithms."""
    net = nn.Linear(32, 16384).to(clock.device)
    options = infoflow.DistanceOptions(mode, streams=False)

    def measure(count):
        x, y = torch.randn(count, 32), torch.arange(count) % 10
        case.measure(net, list(x.split(100)), y, "4GB", distances=options)

    measure(100)  # what is loaded once
    ways = {str(count): lambda count=count: measure(count) for count in COUNTS[mode]}
    rounds = clock.rounds(ways)
    times = [statistics.median(one[str(count)] for one in rounds) for count in COUNTS[mode]]
    last = np.log(times[-1] / times[-2]) / np.log(COUNTS[mode][-1] / COUNTS[mode][-2])
    slope = float(np.polyfit(np.log(COUNTS[mode]), np.log(times), 1)[0])
    show(benchmark, {"exponent of N": slope, "exponent, last step": float(last)})
