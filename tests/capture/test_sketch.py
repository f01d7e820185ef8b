"""Sketches keep distances, to the error that they state; blocks of rows say what a matrix says."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.capture.reading_options import DistanceOptions
from infoflow.capture.sketch import Sketch, half_width, plan_sketches
from infoflow.capture.strategy import MOST_EXACT, choose_strategy
from infoflow.estimators.distances import squared_distances
from infoflow.estimators.statistics import Codes, Distances
from infoflow.interface import ArgumentError, Layer, MemoryBudgetError


def cloud(samples=60, units=20_000, seed=0):
    """Return samples on few directions, as the units of a trained layer are, with uneven energy."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(6, units, generator=generator) * torch.linspace(0, 1, units)
    return torch.randn(samples, 6, generator=generator) @ directions + 100.0


def sketched(values, size=512, seed=0, batch=7):
    sketch = Sketch(values.shape[1], len(values), size=size, seed=seed)
    for start in range(0, len(values), batch):
        sketch.add(start, values[start : start + batch])
    return sketch


def off_diagonal(distances):
    return distances[~torch.eye(len(distances), dtype=torch.bool)]


def test_distances_are_unbiased_with_the_stated_error():
    values = cloud(samples=12)
    true = off_diagonal(squared_distances(values))
    errors = torch.stack(
        [
            off_diagonal(squared_distances(sketched(values, seed=seed).parts()[0])) / true - 1
            for seed in range(100)
        ]
    )
    expected = (2 / 512) ** 0.5
    assert abs(float(errors.mean())) < 0.2 * expected
    assert 0.8 * expected < float(errors.square().mean().sqrt()) < 1.2 * expected


def test_errors_of_the_halves_are_uncorrelated():
    values = cloud(samples=2)
    true = float(squared_distances(values)[0, 1])
    halves = [sketched(values, seed=seed).parts()[1:] for seed in range(300)]
    errors = np.array(
        [[float(squared_distances(h)[0, 1]) / true - 1 for h in pair] for pair in halves]
    )
    assert abs(np.corrcoef(errors.T)[0, 1]) < 0.15


def test_distances_of_the_whole_are_the_mean_of_the_halves():
    sketch = sketched(cloud())
    for made, expected in zip(sketch.distances(), sketch.parts(), strict=True):
        torch.testing.assert_close(made, squared_distances(expected))


def test_energy_at_one_place_of_every_map_does_not_meet_in_few_columns():
    """Without turning the rows, maps of 2^n units put the same place of all into one column."""
    energy = torch.zeros(64, 64)
    energy[20:28, 20:28] = 1.0
    values = torch.randn(2, 32, 64, 64, generator=torch.Generator().manual_seed(0)) * energy
    values = values.flatten(1)
    true = float(squared_distances(values)[0, 1])
    parts = [sketched(values, seed=seed).parts()[0] for seed in range(200)]
    errors = torch.tensor([float(squared_distances(part)[0, 1]) / true - 1 for part in parts])
    assert float(errors.square().mean().sqrt()) < 1.2 * (2 / 512) ** 0.5


def test_a_narrow_layer_is_exact():
    values = cloud(units=300)
    (whole,) = sketched(values, size=512).parts()
    torch.testing.assert_close(
        squared_distances(whole), squared_distances(values), rtol=1e-5, atol=1e-6
    )


def test_what_all_samples_share_costs_no_precision():
    values = 1e4 * torch.randn(1, 20_000) + 1e-1 * torch.randn(16, 20_000)
    true = off_diagonal(squared_distances(values))
    ratio = off_diagonal(squared_distances(sketched(values).parts()[0])) / true
    assert float((ratio - 1).abs().max()) < 5 * (2 / 512) ** 0.5


@pytest.fixture
def wide():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 3000, bias=False), nn.Linear(3000, 5, bias=False))


@pytest.fixture
def samples():
    labels = torch.arange(90) % 3
    points = torch.randn(90, 6) + labels[:, None]
    return [(points[:40], labels[:40]), (points[40:], labels[40:])]


def test_sketch_of_a_net_is_within_its_stated_error(wide, samples):
    options = {"noise": "relative", "progress": False}
    exact = infoflow.analyze(wide, samples, distances="exact", **options)
    sketch = infoflow.analyze(wide, samples, distances=DistanceOptions("sketch", 256), **options)
    for name in ("ixm", "iym"):
        off = np.abs(sketch.dataset[name] - exact.dataset[name]).values[0]
        stated = sketch.dataset[f"{name}_sketch_error"].values[0]
        assert 0 < off[0] < stated[0] < 0.5
        assert off[1] < 1e-4
        assert stated[1] == 0
    assert "sketch of 256 columns, off by up to about" in str(sketch)
    assert float(exact.dataset["ixm_sketch_error"].max()) == 0


def test_blocks_of_rows_in_a_small_budget(wide, samples):
    whole = infoflow.analyze(
        wide, samples, distances=DistanceOptions("sketch", 256, streams=False), progress=False
    )
    blocks = infoflow.analyze(
        wide,
        samples,
        distances=DistanceOptions(sketch_size=256),
        progress=False,
        memory_budget="600kB",
    )
    assert "rows of distances at a time" in blocks.dataset.attrs["capture"]
    for name in ("ixm", "iym", "iym_null", "ixm_ci_low"):
        np.testing.assert_allclose(blocks.dataset[name], whole.dataset[name], atol=1e-5)


def layer(units, index=0):
    return Layer(index, f"layer{index}", "Linear", (units,), ())


def test_auto_sketches_above_the_documented_cost():
    options = {"statistic": Distances(), "budget": 10**10, "bytes_per_value": 4}
    units = 10**6
    samples = int((2 * MOST_EXACT / units) ** 0.5)
    assert not choose_strategy([layer(units)], samples - 10, **options).is_sketch
    assert choose_strategy([layer(units)], samples + 10, **options).is_sketch
    assert not choose_strategy(
        [layer(units)], samples + 10, distances=DistanceOptions("exact"), **options
    ).is_sketch


def test_sketches_share_passes_as_far_as_the_budget_goes():
    layers = [layer(5000, n) for n in range(6)]
    one = 2 * 100 * 2 * half_width(512) * 4 + 12 * 5000
    passes = plan_sketches(layers, 100, 512, 2 * one, 4)
    assert [len(part) for part in passes] == [2, 2, 2]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"statistic": Codes(0.1), "distances": DistanceOptions("sketch")},
            ArgumentError,
            "distances='sketch' keeps distances",
        ),
        ({"budget": 10}, MemoryBudgetError, "does not hold 16 rows of distances"),
        (
            {"budget": 10, "distances": DistanceOptions("exact")},
            MemoryBudgetError,
            "does not hold one unit",
        ),
        ({"budget": 10, "takes_rows": False}, MemoryBudgetError, "does not hold one unit"),
    ],
)
def test_wrong_strategy(options, error, message):
    usual = {"statistic": Distances(), "budget": 10**9, "bytes_per_value": 4}
    with pytest.raises(error, match=message):
        choose_strategy([layer(10)], 100, **{**usual, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "distances must be 'auto', .*'anchors' or an .*, got 'fast'"),
        ({"sketch_size": 7}, "sketch_size must be an even number of columns"),
    ],
)
def test_wrong_options_of_distances(options, message):
    with pytest.raises(ArgumentError, match=message):
        DistanceOptions(**options)


@pytest.mark.parametrize("mode", ["sketch", "auto", "exact"])
@pytest.mark.parametrize("estimator", ["renyi", "ksg"])
def test_estimators_of_whole_matrices_say_how_much_room_they_need(mode, estimator):
    """They cannot do with rows of distances, which a crowded budget leaves."""
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    loader = [(x, (x[:, 0] > 0).long())]
    net = torch.nn.Linear(4, 3)
    with pytest.raises(MemoryBudgetError, match="300×300 distances"):
        infoflow.analyze(
            net, loader, estimator=estimator, distances=mode, memory_budget="1MB", progress=False
        )


class InFloat64(torch.nn.Module):
    """A float32 net with values in float64 inside."""

    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)
        self.middle = torch.nn.Identity()

    def forward(self, x):
        return self.last(self.middle(self.first(x).double()).float())


def test_values_of_another_precision_are_sketched():
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    given = {
        "target": "none",
        "tracing": infoflow.TracingOptions(leaves=["middle"]),
        "progress": False,
    }
    sketched = infoflow.analyze(InFloat64(), [x], distances="sketch", **given)
    exact = infoflow.analyze(InFloat64(), [x], distances="exact", **given)
    assert sketched.layers == exact.layers


def test_what_fails_in_a_measurement_is_not_blamed_on_the_model(monkeypatch):
    def broken(*_):
        raise ValueError("a fault of ours")

    monkeypatch.setattr("infoflow.estimators.statistics.bin_digests", broken)
    with pytest.raises(ValueError, match=r"^a fault of ours$"):
        infoflow.analyze(
            torch.nn.Linear(4, 3), [torch.randn(9, 4)], target="none", estimator="binning"
        )
