"""A probe set is a fixed choice by class, with Y of all samples, that trackers take as loader."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import infoflow


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def points(samples=90):
    x = torch.randn(samples, 3, generator=torch.Generator().manual_seed(0))
    return x, (torch.arange(samples) % 9 == 0).long()


def shuffled_loader(samples=90):
    x, y = points(samples)
    generator = torch.Generator().manual_seed(5)
    return DataLoader(list(zip(x, y, strict=True)), 7, shuffle=True, generator=generator)


def test_the_samples_are_chosen_by_class_and_stay():
    probes = infoflow.ProbeSet(net(), shuffled_loader(), samples=45)
    first, second = (torch.cat([y for _, y in probes]) for _ in range(2))
    assert first.bincount().tolist() == [40, 5]
    assert torch.equal(first, second)
    inputs = torch.cat([call.args[0] for call, _ in probes])
    x, y = points()
    found = (inputs[:, None] == x).all(2).long().argmax(1)
    assert len(set(found.tolist())) == 45
    assert torch.equal(y[found], first)


def test_a_tracker_measures_what_it_would_on_a_loader_of_the_chosen_samples():
    model = net()
    probes = infoflow.ProbeSet(model, shuffled_loader(), samples=30)
    calls = [(call.args[0], y) for call, y in probes]
    tracker = infoflow.Tracker(model, probes, noise=0.5, progress=False)
    assert tracker.record(0)
    assert tracker.record(1)
    expected = infoflow.analyze(model, calls, noise=0.5, progress=False)
    for name in ("ixm", "iym", "iym_ci_low", "iym_null"):
        assert tracker.result.dataset[name][1].values.tolist() == (
            expected.dataset[name][0].values.tolist()
        )
    assert tracker.result.dataset["ixm_ceiling"][0].item() == pytest.approx(math.log2(30))


def test_samples_of_many_batches_are_run_together_where_these_are_alike():
    probes = infoflow.ProbeSet(net(), shuffled_loader(), samples=70)
    assert [len(y) for _, y in probes] == [35, 35]
    found = torch.cat([call.args[0] for call, _ in probes])
    order = torch.cat([batch for batch, _ in shuffled_loader()])
    is_there = (found[:, None] == order).all(2)
    assert is_there.sum(1).tolist() == [1] * 70


def test_batches_with_more_than_rows_stay_apart():
    class Scaled(nn.Module):
        def forward(self, x, scale):
            return x * scale

    scaled = [{"x": part, "scale": torch.tensor(2.0)} for part in torch.randn(12, 3).split(6)]
    assert [len(y) for _, y in infoflow.ProbeSet(Scaled(), scaled, samples=12)] == [6, 6]


def test_the_result_says_what_was_chosen_and_h_of_y_of_all():
    probes = infoflow.ProbeSet(net(), shuffled_loader(), samples=30)
    result = infoflow.analyze(net(), probes, noise=0.5, progress=False)
    share = 1 / 9
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    said = result.dataset.attrs["target"]
    assert "30 of 90 samples, chosen by class" in said
    assert f"H(Y) of all 90: {entropy:.2f} bits" in said


def test_clusters_are_those_of_all_samples():
    x, _ = points()
    masks = (x[:, :1, None] > 0).float().expand(-1, 4, 4)
    loader = [(x, masks)]
    probes = infoflow.ProbeSet(net(), loader, samples=20, target=infoflow.KMeans(2))
    whole = infoflow.KMeans(2).reduce(masks).classes
    assert torch.equal(torch.cat([y for _, y in probes]), whole[probes.numbers])


def test_more_samples_than_there_are_is_all_of_them():
    probes = infoflow.ProbeSet(net(), shuffled_loader(), samples=500)
    assert repr(probes) == "ProbeSet(90 samples)"


def test_without_y_the_choice_is_at_random():
    x, _ = points()
    probes = infoflow.ProbeSet(net(), [x], samples=25)
    result = infoflow.analyze(net(), probes, noise=0.5, progress=False)
    assert not result.has_target
    assert int(result.dataset["samples"][0]) == 25


def test_an_array_of_classes_is_y():
    x, y = points()
    probes = infoflow.ProbeSet(net(), [x], samples=45, target=y.numpy())
    assert torch.cat([labels for _, labels in probes]).bincount().tolist() == [40, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 9}, "samples must be"),
        ({"target": "output"}, "another Y at every epoch"),
        ({"target": "kmeans", "loader": [points()[0]]}, "hold inputs only"),
        ({"loader": iter([points()[0]])}, "can be read only once"),
        ({"model": infoflow.Tracker}, "model"),
    ],
)
def test_what_makes_no_probe_set_is_refused(changes, message):
    given = {"model": net(), "loader": shuffled_loader(), **changes}
    with pytest.raises(infoflow.InfoflowError, match=message):
        infoflow.ProbeSet(given.pop("model"), given.pop("loader"), **given)
