"""What streams know: nets whose streams carry all, nothing, a copy, or only synergy."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.capture.budget import fixed_bytes
from infoflow.flow.stream_parts import measure_streams
from infoflow.interface import InfoflowError, UnmeasurableWarning
from tests import tiers


class TwoStreams(nn.Module):
    """Two columns of the input on two ways, put side by side."""

    def __init__(self):
        super().__init__()
        self.start = nn.Linear(2, 2, bias=False)
        self.one = nn.Linear(2, 1, bias=False)
        self.other = nn.Linear(2, 1, bias=False)
        self.head = nn.Linear(2, 2, bias=False)
        self.start.weight.data = torch.eye(2)
        self.one.weight.data = torch.tensor([[1.0, 0.0]])
        self.other.weight.data = torch.tensor([[0.0, 1.0]])

    def forward(self, x):
        x = self.start(x)
        return self.head(torch.cat([self.one(x), self.other(x)], dim=1))


def data(kind, seed, samples=400):
    """Return inputs of two columns, and classes that depend on them as ``kind`` says."""
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 2, (2, samples))
    y = {"one": a, "copy": a, "xor": a ^ b, "both": a + 2 * b}[kind]
    b = a if kind == "copy" else b
    noise = 0.02 * random.standard_normal((samples, 2))
    x = np.stack([a, b], axis=1) + noise
    return [(torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y))]


def streams_of(kind, seed=0):
    options = {"noise": 0.01, "progress": False, "layers": "merges"}
    result = infoflow.analyze(TwoStreams(), data(kind, seed), **options)
    return result.streams.isel(epoch=0, noise=0)


#: Bits of stream "one": unique, shared, synergy; and the same of "other".
TRUTH = {
    "one": ((1, 0, 0), (0, 0, 0)),
    "copy": ((0, 1, 0), (0, 1, 0)),
    "xor": ((0, 0, 1), (0, 0, 1)),
    "both": ((1, 0, 0), (1, 0, 0)),
}


@pytest.mark.filterwarnings("ignore::infoflow.interface.SaturationWarning")
@pytest.mark.parametrize("kind", TRUTH)
def test_parts_are_those_of_the_construction(kind):
    streams = streams_of(kind)
    assert streams["source"].values.tolist() == ["one", "other"]
    for number, expected in enumerate(TRUTH[kind]):
        for name, bits in zip(("unique", "shared", "synergy"), expected, strict=True):
            assert float(streams[name][number]) == pytest.approx(bits, abs=0.05)
        added = expected[0] + expected[2]
        assert float(streams["added"][number]) == pytest.approx(added, abs=0.05)


@pytest.mark.filterwarnings("ignore::infoflow.interface.SaturationWarning")
@pytest.mark.parametrize("seeds", [3, tiers.thorough(20)])
def test_ranks_are_recovered_in_all_seeds(seeds):
    for seed in range(seeds):
        added = streams_of("one", seed)["added"].values
        assert added[0] > 0.9 > 0.1 > abs(added[1])
        synergy = streams_of("xor", seed)
        assert float(synergy["synergy"].min()) > 0.9 > float(synergy["unique"].max())


@pytest.mark.filterwarnings("ignore::infoflow.interface.SaturationWarning")
def test_added_is_unique_and_synergy_within_its_interval_and_above_its_null():
    streams = streams_of("both")
    parts = streams["unique"] + streams["synergy"]
    np.testing.assert_allclose(parts, streams["added"], atol=1e-9)
    assert bool((streams["added_ci_low"] <= streams["added"]).all())
    assert bool((streams["added"] <= streams["added_ci_high"]).all())
    assert bool((streams["added_null_high"] < streams["added_ci_low"]).all())


def test_joint_distances_are_those_of_the_columns_side_by_side():
    random = np.random.default_rng(0)
    labels = torch.as_tensor(random.integers(0, 3, 80))
    columns = [torch.as_tensor(random.normal(size=(80, 3))) + labels[:, None] for _ in range(2)]
    exponents = [torch.cdist(c, c).square() / 2 for c in columns]
    parts = measure_streams([lambda e=e: e for e in exponents], labels)
    together = infoflow.estimate(torch.cat(columns, 1), labels, noise=1.0, unit="nats").iym
    alone = [infoflow.estimate(c, labels, noise=1.0, unit="nats").iym for c in columns]
    for part, own, rest in zip(parts, alone, reversed(alone), strict=True):
        assert part.all == pytest.approx(together, abs=1e-9)
        assert (part.own, part.rest) == pytest.approx((own, rest), abs=1e-9)


def test_saturated_streams_are_marked():
    far = 1e3 * torch.eye(30, dtype=torch.float64)
    exponents = torch.cdist(far, far).square()
    parts = measure_streams([lambda: exponents] * 2, torch.arange(30) % 3)
    assert all(part.is_saturated for part in parts)
    assert all(part.added == pytest.approx(0.0, abs=1e-12) for part in parts)


def test_streams_are_saved_and_joined_over_epochs(unet, loader, tmp_path):
    tracker = infoflow.Tracker(
        unet, loader, schedule=[0, 1], target=infoflow.KMeans(3), noise=100.0,
        progress=False, path=tmp_path / "flow.nc",
    )  # fmt: skip
    tracker.record(0)
    tracker.record(1)
    streams = infoflow.load(tmp_path / "flow.nc").streams
    assert dict(streams["added"].sizes) == {"epoch": 2, "noise": 2, "stream": 8}
    assert streams["label"].values.tolist()[:2] == ["7→11", "10→11"]
    assert streams["role"].values.tolist()[:2] == ["skip", "main"]
    assert streams["added"].attrs["units"] == "bits"


def test_results_without_streams_say_so(unet, loader):
    options = {"noise": 100.0, "progress": False}
    without = infoflow.DistanceOptions(streams=False)
    for others in ({"target": "none"}, {"target": infoflow.KMeans(3), "distances": without}):
        result = infoflow.analyze(unet, loader, **options, **others)
        with pytest.raises(InfoflowError, match="This result holds no streams"):
            _ = result.streams


def test_a_budget_that_cannot_hold_the_streams_leaves_them_out(unet, blobs):
    samples = [(blobs.tensors[0].repeat(20, 1, 1, 1), blobs.tensors[1].repeat(20, 1, 1, 1))]
    kept = 4 * 400**2
    options = {"noise": 100.0, "progress": False, "target": infoflow.KMeans(3)}
    with pytest.warns(UnmeasurableWarning, match="streams into 4 merges are not measured"):
        infoflow.analyze(
            unet,
            samples,
            memory_budget=8 * kept,
            distances=infoflow.DistanceOptions("sketch", 64),
            **options,
        )
    assert math.isfinite(kept)


class Pair(torch.nn.Module):
    """Two layers side by side."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.head = (torch.nn.Linear(4, 4) for _ in range(3))
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.head(torch.cat([self.one(x), self.other(x)], 1))


@pytest.mark.parametrize("mode", ["auto", "exact"])
def test_streams_without_room_beside_the_layers_are_left_out(mode):
    """Whatever the budget, there are numbers: with streams, or without and with a warning."""
    x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    loader = [(x, (x[:, 0] > 0).long())]
    outcomes = set()
    least = fixed_bytes(100) + 5_000
    for budget in range(least, least + 600_000, 150_000):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = infoflow.analyze(
                Pair(), loader, memory_budget=budget, distances=mode, progress=False
            )
        told = any("are not measured" in str(one.message) for one in caught)
        assert told == ("stream" not in result.dataset.dims)
        outcomes.add(told)
    assert outcomes == {True, False}
