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


@pytest.fixture(scope="module")
def dataset():
    return case.data()


def seconds(function, *arguments):
    start = time.perf_counter()
    value = function(*arguments)
    return time.perf_counter() - start, value


def straightforward(net, batches, labels):
    """Hooks that store every activation; distances computed anew for every class, in float32.

    The way of the code that the U-Net paper builds on, written for one process's memory.
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
    numbers = {}
    for name in list(stored):
        values = torch.cat(stored.pop(name))
        total = _entropy(values)
        within = sum(
            (labels == label).float().mean() * _entropy(values[labels == label])
            for label in torch.unique(labels)
        )
        numbers[name] = (float(total), float(total - within))
    return numbers


def _entropy(values):
    norms = (values**2).sum(1)
    distances = (norms[:, None] + norms - 2 * values @ values.T).clamp(min=0)
    return math.log(len(values)) - torch.logsumexp(-distances / 2, 1).mean()


@pytest.mark.benchmark
def test_time_against_a_forward_pass_and_the_straightforward_way(benchmark, dataset):
    net, batches = case.model(), case.loader(dataset)
    labels = case.CLUSTERS.reduce(dataset.tensors[1]).classes
    case.forward(net, batches)
    plain = min(seconds(case.forward, net, batches)[0] for _ in range(2))
    ours = benchmark.pedantic(case.measure, (net, batches, "8GB"), rounds=1, iterations=1)
    in_8gb = benchmark.stats.stats.min
    in_1gb, small = seconds(case.measure, net, batches, "1GB")
    naive, _ = seconds(straightforward, net, batches, labels)
    clustering, _ = seconds(case.CLUSTERS.reduce, dataset.tensors[1])
    ratios = {
        "analyze at 8 GB / forward": in_8gb / plain,
        "analyze at 1 GB / forward": in_1gb / plain,
        "of which K-means / forward": clustering / plain,
        "straightforward (without K-means) / forward": naive / plain,
        "straightforward / analyze at 8 GB, both without K-means": naive / (in_8gb - clustering),
        "straightforward / analyze at 1 GB, both without K-means": naive / (in_1gb - clustering),
    }
    benchmark.extra_info.update(ratios)
    print("", *(f"{name}: {ratio:.2f}" for name, ratio in ratios.items()), sep="\n")
    for name in ("ixm", "iym"):
        np.testing.assert_allclose(ours.dataset[name], small.dataset[name], rtol=0, atol=1e-6)
    assert ratios["straightforward / analyze at 8 GB, both without K-means"] > 3


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
