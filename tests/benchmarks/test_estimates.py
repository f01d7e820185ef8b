"""Cost of an estimate with interval, null and both bounds beside its value alone.

Ratios of CPU time within one run; no time is asserted. Run with
``pytest tests/benchmarks/test_estimates.py --benchmark-only -s``.
"""

import statistics
import time

import pytest
import torch

import infoflow
from infoflow.estimators.distances import squared_distances
from infoflow.estimators.kde import KDE


def seconds(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def straightforward(distances, labels):
    """I(X;M) and I(Y;M) by one bound, from a matrix of kernels: nothing of doubt."""
    kernel = torch.exp(-distances / 2)
    own = kernel * (labels[:, None] == labels)
    return kernel.sum(1).log().mean(), own.sum(1).log().mean()


@pytest.mark.benchmark(group="estimates")
@pytest.mark.parametrize(("samples", "classes"), [(8000, 10), (4000, 100), (500, 10)])
def test_an_estimate_beside_its_value_alone(benchmark, samples, classes):
    generator = torch.Generator().manual_seed(0)
    distances = squared_distances(torch.randn(samples, 16, generator=generator))
    labels = torch.arange(samples) % classes
    kde = KDE()
    kde.estimate(distances[:50, :50], labels[:50] % 2)
    rounds = [
        [
            seconds(kde.values, distances, labels),
            seconds(kde.estimate, distances, labels),
            seconds(straightforward, distances, labels),
        ]
        for _ in range(3)
    ]
    benchmark.pedantic(lambda: None, rounds=1)
    ratios = {
        "estimate / value alone": statistics.median(e / v for v, e, _ in rounds),
        "estimate / straightforward value": statistics.median(e / s for _, e, s in rounds),
    }
    benchmark.extra_info.update(ratios)
    shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    print(f"\n{samples} samples, {classes} classes: {shown}")


@pytest.mark.benchmark(group="estimates")
def test_ksg_with_classes_beside_its_distances(benchmark):
    """10,000 samples of 16 units in 10 classes: value, interval and null, one search for all."""
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(10_000, 16, generator=generator), torch.arange(10_000) % 10
    values[:, 0] += labels
    infoflow.estimate(values[:50], labels[:50], estimator="ksg")
    distances = seconds(squared_distances, values)
    whole = seconds(lambda: infoflow.estimate(values, labels, estimator=infoflow.KSG()))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["estimate / distances"] = whole / distances
    print(f"\nKSG / squared distances: {whole / distances:.1f} ({whole:.1f} s)")
