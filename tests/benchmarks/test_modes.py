"""Exact and sketched distances beside what they must cost at least, and cost against N.

Ratios within one run; no seconds are asserted. Run with
``pytest tests/benchmarks --benchmark-only -s``.
"""

import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.estimators.distances import add_products
from infoflow.interface import InfoflowWarning
from tests.benchmarks import case

pytestmark = pytest.mark.filterwarnings("ignore::infoflow.interface.SingletonWarning")


def seconds(function, *arguments, **options):
    start = time.perf_counter()
    value = function(*arguments, **options)
    return time.perf_counter() - start, value


def products(net, batches):
    """One symmetric float64 product of every layer's values with themselves, nothing else."""
    graph = infoflow.trace(net, batches.dataset[0][0][None])
    for layer in graph.layers:
        gram = torch.zeros(case.SAMPLES, case.SAMPLES, dtype=torch.float64)
        values = torch.rand(case.SAMPLES, min(layer.units, 16384))
        for _ in range(layer.units // values.shape[1]):
            add_products(gram, values)


def measure(net, batches, labels, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        return infoflow.analyze(net, batches, target=labels, progress=False, **options)


@pytest.mark.benchmark
def test_exact_and_sketched_against_the_floor(benchmark):
    dataset = case.data()
    net, batches = case.model(), case.loader(dataset)
    labels = case.CLUSTERS.reduce(dataset.tensors[1]).classes
    case.forward(net, batches)
    forward = min(seconds(case.forward, net, batches)[0] for _ in range(2))
    floor = forward + seconds(products, net, batches)[0]
    in_exact, exact = seconds(measure, net, batches, labels, distances="exact", memory_budget="8GB")
    in_sketch, sketch = seconds(
        measure, net, batches, labels, distances="sketch", memory_budget="1GB"
    )
    off = {
        name: float(np.abs(sketch.dataset[name] - exact.dataset[name]).max())
        for name in ("ixm", "iym")
    }
    stated = {name: float(sketch.dataset[f"{name}_sketch_error"].max()) for name in ("ixm", "iym")}
    benchmark.pedantic(lambda: None, rounds=1)
    figures = {
        "exact / (forward + one symmetric product per layer)": in_exact / floor,
        "exact / forward": in_exact / forward,
        "sketch / forward": in_sketch / forward,
        **{f"largest error of {name} (bits)": error for name, error in off.items()},
        **{f"largest stated error of {name} (bits)": error for name, error in stated.items()},
    }
    benchmark.extra_info.update(figures)
    print("", *(f"{name}: {figure:.4f}" for name, figure in figures.items()), sep="\n")
    assert max(off.values()) <= 0.02


@pytest.mark.benchmark
@pytest.mark.parametrize("mode", ["exact", "sketch"])
def test_cost_against_the_number_of_samples(benchmark, mode):
    """A layer of 65,536 units; the exponent of N is fitted in logarithms."""
    net = nn.Linear(32, 65536)
    counts = [500, 1000, 2000, 4000] if mode == "exact" else [500, 1000, 2000, 5000, 10000, 20000]
    times = []
    seconds(measure, net, [torch.randn(100, 32)], torch.arange(100) % 10)  # what is loaded once
    for count in counts:
        x = torch.randn(count, 32)
        labels = torch.arange(count) % 10
        taken, result = seconds(
            measure,
            net,
            list(x.split(100)),
            labels,
            memory_budget="4GB",
            distances=infoflow.DistanceOptions(mode, streams=False),
        )
        times.append(taken)
        print(f"\nN = {count}: {result.dataset.attrs['capture']}", end="")
    exponent = float(np.polyfit(np.log(counts), np.log(times), 1)[0])
    late = float(np.log(times[-1] / times[-2]) / np.log(counts[-1] / counts[-2]))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update({"exponent": exponent, "last step": late})
    ratios = ", ".join(
        f"{count}: {t / times[0]:.1f}" for count, t in zip(counts, times, strict=True)
    )
    print(f"\n{mode}, cost over that of N = {counts[0]}: {ratios}")
    print(f"exponent of N: {exponent:.2f} over all, {late:.2f} in the last step")
