"""Cost of ``analyze`` beside one plain forward pass and beside the straightforward way.

Ratios within one run; no seconds are asserted. Run with
``pytest tests/benchmarks --benchmark-only -s``.
"""

import json
import math
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from infoflow.capture.budget import format_bytes, parse_bytes
from tests.benchmarks import case

#: Most of the 64 clusters of these masks hold one image; the cost does not depend on it.
pytestmark = pytest.mark.filterwarnings("ignore::infoflow.interface.SingletonWarning")


@pytest.fixture(scope="module")
def dataset():
    return case.data()


def seconds(function, *arguments):
    start = time.perf_counter()
    value = function(*arguments)
    return time.perf_counter() - start, value


def straightforward(net, batches, labels, *, dtype, factors):
    """Hooks that store every activation; distances computed anew for every bound and every class.

    The way of the code that the U-Net paper builds on, with all in one process's memory. Factors
    of 2 and 8 stand for the upper and the lower bound.
    """
    stored = {}
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    handles = [
        module.register_forward_hook(
            lambda m, i, o, name=name: stored.setdefault(name, []).append(o.flatten(1).clone())
        )
        for name, module in net.named_modules()
        if isinstance(module, kinds)
    ]
    case.forward(net, batches)
    for handle in handles:
        handle.remove()
    for name in list(stored):
        values = torch.cat(stored.pop(name)).to(dtype)
        for factor in factors:
            information(values, factor)
            for label in torch.unique(labels):
                information(values[labels == label], factor)


def information(values, factor):
    norms = (values**2).sum(1)
    distances = (norms[:, None] + norms - 2 * values @ values.T).clamp(min=0)
    return math.log(len(values)) - torch.logsumexp(-distances / factor, 1).mean()


@pytest.mark.benchmark
def test_time_against_a_forward_pass_and_the_straightforward_way(benchmark, dataset):
    net, batches = case.model(), case.loader(dataset)
    labels = case.CLUSTERS.reduce(dataset.tensors[1]).classes
    case.forward(net, batches)
    plain = min(seconds(case.forward, net, batches)[0] for _ in range(2))
    large = benchmark.pedantic(case.measure, (net, batches, labels, "8GB"), rounds=1)
    ours = benchmark.stats.stats.min
    in_1gb, small = seconds(case.measure, net, batches, labels, "1GB")
    same, _ = seconds(
        lambda: straightforward(net, batches, labels, dtype=torch.float64, factors=(2, 8))
    )
    least, _ = seconds(
        lambda: straightforward(net, batches, labels, dtype=torch.float32, factors=(2,))
    )
    ratios = {
        "analyze at 8 GB / forward": ours / plain,
        "analyze at 1 GB / forward": in_1gb / plain,
        "straightforward, float64, both bounds / analyze at 8 GB": same / ours,
        "straightforward, float64, both bounds / analyze at 1 GB": same / in_1gb,
        "straightforward, float32, upper bound only / analyze at 8 GB": least / ours,
    }
    benchmark.extra_info.update(ratios)
    print("", *(f"{name}: {ratio:.2f}" for name, ratio in ratios.items()), sep="\n")
    for name in ("ixm", "iym"):
        np.testing.assert_allclose(large.dataset[name], small.dataset[name], rtol=0, atol=1e-6)


@pytest.mark.benchmark
def test_peak_memory_stays_within_the_budget(benchmark):
    def probe(budget):
        command = [sys.executable, "-m", "tests.benchmarks.case", budget]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    own = benchmark.pedantic(probe, ("forward",), rounds=1, iterations=1)["peak"]
    probes = {budget: probe(budget) for budget in ("1GB", "8GB")}
    print(f"\nmodel, data and libraries, one forward pass: {format_bytes(own)}")
    for budget, found in probes.items():
        above = found["peak"] - own
        print(f"budget {budget}: {format_bytes(above)} above that")
        benchmark.extra_info[f"above at {budget}"] = above
        assert above <= parse_bytes(budget)
    np.testing.assert_allclose(
        probes["1GB"]["numbers"], probes["8GB"]["numbers"], rtol=0, atol=1e-6
    )
