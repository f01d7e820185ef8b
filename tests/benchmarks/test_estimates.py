"""Cost of an estimate with interval, null and both bounds beside its value alone.

Ratios of CPU time within one run; no time is asserted. Run with
``pytest tests/benchmarks/test_estimates.py --benchmark-only -s``.
"""

import pytest
import torch

import infoflow
from infoflow.estimators.distances import squared_distances
from infoflow.estimators.kde import KDE
from tests.benchmarks.clock import ratios, show


def straightforward(distances, labels):
    """I(X;M) and I(Y;M) by one bound, from a matrix of kernels: nothing of doubt."""
    kernel = torch.exp(-distances / 2)
    own = kernel * (labels[:, None] == labels)
    return kernel.sum(1).log().mean(), own.sum(1).log().mean()


@pytest.mark.benchmark(group="estimates")
@pytest.mark.parametrize(("samples", "classes"), [(8000, 10), (4000, 100), (500, 10)])
def test_an_estimate_beside_its_value_alone(benchmark, clock, samples, classes):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(samples, 16, generator=generator).to(clock.device)
    distances = squared_distances(values)
    labels = torch.arange(samples, device=clock.device) % classes
    kde = KDE()
    kde.estimate(distances[:50, :50], labels[:50] % 2)
    ways = {
        "value alone": lambda: kde.values(distances, labels),
        "estimate": lambda: kde.estimate(distances, labels),
        "straightforward value": lambda: straightforward(distances, labels),
    }
    rounds = clock.rounds(ways)
    show(benchmark, ratios(rounds, "value alone") | ratios(rounds, "straightforward value"))


@pytest.mark.benchmark(group="estimates")
def test_ksg_with_classes_beside_its_distances(benchmark, clock):
    """10,000 samples of 16 units in 10 classes: value, interval and null, one search for all."""
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(10_000, 16, generator=generator), torch.arange(10_000) % 10
    values[:, 0] += labels
    infoflow.estimate(values[:50], labels[:50], estimator="ksg")
    ways = {
        "distances": lambda: squared_distances(values),
        "estimate": lambda: infoflow.estimate(values, labels, estimator=infoflow.KSG()),
    }
    show(benchmark, ratios(clock.rounds(ways), "distances"))
