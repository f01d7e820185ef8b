"""The same work by infoflow, by a straightforward script, and by other packages.

Ratios of CPU time within one run; the ways take turns, three rounds, medians. No time is asserted.
Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_peers.py --benchmark-only -s``.
"""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torchvision
from scipy.special import digamma
from sklearn.neighbors import KDTree
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.estimators.distances import finite_distances
from infoflow.estimators.ross import Neighbourhoods
from infoflow.interface import InfoflowWarning
from infoflow.testing import UNet, blob_images
from tests.benchmarks import case
from tests.benchmarks.clock import ratios, show
from tests.benchmarks.scripts import matmul, script, syrk

SAMPLES = 100


@pytest.mark.benchmark(group="peers")
def test_a_measurement_beside_a_straightforward_script(benchmark, clock):
    """A U-Net of half width, 100 images of 64×64, ten clusters of masks."""
    torch.manual_seed(0)
    data = TensorDataset(*blob_images(SAMPLES, size=64))
    net, batches = UNet(base_channels=8).eval(), DataLoader(data, batch_size=16)
    labels = torch.arange(SAMPLES) % 10

    def measure(mode):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InfoflowWarning)
            options = infoflow.DistanceOptions(mode, streams=False)
            infoflow.analyze(net, batches, target=labels, distances=options, progress=False)

    run = partial(script, net, batches, labels)
    ways = {
        "forward pass": lambda: case.forward(net, batches),
        "analyze, exact": lambda: measure("exact"),
        "analyze, sketch": lambda: measure("sketch"),
        "script, float32, upper bound": partial(
            run, dtype=torch.float32, factors=(2,), product=matmul
        ),
        "script, float32, upper bound, syrk": partial(
            run, dtype=torch.float32, factors=(2,), product=syrk
        ),
        "script, float64, both bounds": partial(
            run, dtype=torch.float64, factors=(2, 8), product=matmul
        ),
    }
    show(benchmark, clock.ratios(ways, "forward pass"))


@torch.no_grad()
@pytest.mark.filterwarnings("ignore")  # of theirs
@pytest.mark.benchmark(group="peers")
def test_a_trace_beside_torchlens(benchmark, clock):
    """ResNet-18, four images: ours is proved by replays, theirs (2.0 or newer) records one run."""
    torchlens = pytest.importorskip("torchlens")
    net, x = torchvision.models.resnet18(weights=None).eval(), torch.rand(4, 3, 224, 224)
    ways = {
        "forward pass": lambda: net(x),
        "trace, proved": lambda: infoflow.trace(net, x),
        "torchlens": lambda: torchlens.trace(net, x),
    }
    show(benchmark, clock.ratios(ways, "forward pass"))


@pytest.mark.benchmark(group="peers")
def test_estimates_beside_infomeasure(benchmark, clock):
    """1,000 samples of 16 units in ten classes, numbers to theirs, without interval."""
    infomeasure = pytest.importorskip("infomeasure")
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(1000, 16, generator=generator), torch.arange(1000) % 10
    values[:, 0] += labels
    x, y = values.double().numpy(), labels.double().numpy()

    def ours(estimator):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InfoflowWarning)
            infoflow.estimate(values, labels, estimator=estimator)

    ways = {
        "KDE with interval and null": lambda: ours(infoflow.KDE()),
        "KSG with interval and null": lambda: ours(infoflow.KSG()),
        "Rényi of order 1.01 with null": lambda: ours(infoflow.Renyi()),
        "Rényi of order 2 with null": lambda: ours(infoflow.Renyi(alpha=2.0)),
        "infomeasure KSG": lambda: infomeasure.mutual_information(x, y, approach="metric"),
    }
    show(benchmark, clock.ratios(ways, "infomeasure KSG"))


def ross_by_trees(x, y, k=3):
    """Ross (2014), equation 2, with a tree for each class and one for all samples."""
    radius, own = np.empty(len(x)), np.empty(len(x))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        distances = KDTree(x[members]).query(x[members], k + 1)[0]
        # rounding of the radius must not lose the neighbour that it reaches
        radius[members], own[members] = distances[:, -1] * (1 + 1e-12), len(members)
    around = KDTree(x).query_radius(x, radius, count_only=True) - 1
    return digamma(len(x)) + digamma(k) - digamma(own).mean() - digamma(around).mean()


def ross_by_products(x, y, k=3, step=1000):
    """The same with distances through products, in blocks of rows that are not kept."""

    def blocks(some):
        square = (some * some).sum(1)
        for start in range(0, len(some), step):
            rows = slice(start, start + step)
            yield rows, square[rows, None] + square - 2 * some[rows] @ some.T

    x = x - x.mean(0)
    radius, own, around = (np.empty(len(x)) for _ in range(3))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        own[members] = len(members)
        for rows, distances in blocks(x[members]):
            radius[members[rows]] = np.partition(distances, k, axis=1)[:, k] + 1e-10
    for rows, distances in blocks(x):
        around[rows] = (distances <= radius[rows, None]).sum(1) - 1
    return digamma(len(x)) + digamma(k) - digamma(own).mean() - digamma(around).mean()


@pytest.mark.benchmark(group="peers")
def test_neighbours_of_classes_beside_trees_and_products(benchmark, clock):
    """10,000 samples of 16 units in ten classes: their value, ours, and ours with all its doubt.

    The goal is at most 1.5 times the trees. Products in blocks that are not kept give the value
    alone faster than ours, which keeps all distances for the interval and the null.
    """
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(10_000, 16, generator=generator), torch.arange(10_000) % 10
    values[:, 0] += labels
    x, y = values.double().numpy(), labels.numpy()

    def value():
        return Neighbourhoods(finite_distances(values), labels, 3).about(labels)

    def estimate():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InfoflowWarning)
            return infoflow.estimate(values, labels, estimator=infoflow.KSG(), unit="nats").iym

    ways = {
        "KSG, value": value,
        "KSG with interval and null": estimate,
        "trees of scikit-learn": lambda: ross_by_trees(x, y),
        "products in blocks": lambda: ross_by_products(x, y),
    }
    found = [way() for way in ways.values()]
    assert found == pytest.approx([found[0]] * len(found), abs=1e-6)
    show(benchmark, ratios(clock.rounds(ways), "trees of scikit-learn"))
