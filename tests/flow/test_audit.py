"""The data processing inequality: what is a violation, what is none, and why."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.estimators.jackknife import jackknife_interval
from infoflow.flow.rises import LayerNumbers, finding_of


def chain(first, second):
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    net[0].weight.data.fill_(first)
    net[1].weight.data.fill_(second)
    return net


@pytest.fixture
def points():
    return [torch.randn(400, 1)]


def test_measurement_noise_breaks_the_inequality_on_a_plain_chain(points):
    """M1 = 0.1 X and M2 = 10 M1 with noise of variance 0.1: 0.048 and then 1.199 nats."""
    result = infoflow.analyze(chain(0.1, 10.0), points, noise=0.1, unit="nats", progress=False)
    (row,) = result.audit()
    assert row.finding == "noise model"
    assert (row.before, row.layer) == ("0", "1")
    for layer, exact in (("0", 0.5 * np.log(1.1)), ("1", 0.5 * np.log(11))):
        at = result.dataset.sel(layer=layer, epoch=0)
        assert float(at["ixm_lower"]) <= exact <= float(at["ixm_upper"])
    assert "noise model: real in what is measured" in str(result.audit())


def test_relative_noise_does_not(points):
    result = infoflow.analyze(chain(0.1, 10.0), points, noise="relative", progress=False)
    assert {row.finding for row in result.audit()} <= {"holds", "within interval"}


def test_a_chain_that_loses_holds(points):
    result = infoflow.analyze(chain(1.0, 0.1), points, noise=0.1, progress=False)
    (row,) = result.audit()
    assert (row.finding, row.rise < 0) == ("holds", True)
    assert "1 hold, no rise" in str(result.audit())


def test_exact_codes_are_never_the_estimators_fault():
    random = np.random.default_rng(0)
    x = torch.as_tensor(random.integers(0, 4, (256, 2)), dtype=torch.float32)
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    for bin_size in (0.01, 0.2, 1.0):
        result = infoflow.analyze(
            net, [(x, x[:, 0].long())], estimator=infoflow.Binning(bin_size), progress=False
        )
        assert result.audit().count("estimator") == 0


def test_bounds_that_overlap_and_rise_together_are_the_noise_models(points):
    """M1 = 0.5 X and M2 = 2 M1 at variance 0.1: 0.626 and then 1.199 nats."""
    y = (points[0][:, 0] > 0).long()
    for first, second in ((0.5, 2.0), (0.1, 10.0)):
        result = infoflow.analyze(chain(first, second), [(points[0], y)], noise=0.1, progress=False)
        assert {row.finding for row in result.audit()} <= {"noise model", "within interval"}


def made_up(unet, loader):
    options = {"noise": 100.0, "progress": False, "target": infoflow.KMeans(3)}
    return infoflow.analyze(unet, loader, **options)


def test_findings_of_made_up_numbers(unet, loader):
    result = made_up(unet, loader)
    result = result.with_dataset(result.dataset.drop_vars("ixm_replicates"))  # as in older files
    data = result.dataset
    for name in ("ixm", "ixm_lower", "ixm_upper", "ixm_ci_low", "ixm_ci_high"):
        data[name][:] = 1.0
    for index, (value, low, lower) in {
        2: (2.0, 0.5, 1.5),
        3: (2.0, 1.5, 0.5),
        4: (2.0, 1.5, 1.0),
    }.items():
        for name, number in (("ixm", value), ("ixm_ci_low", low), ("ixm_lower", lower)):
            data[name][0, index] = number
    findings = {
        (row.before_index, row.layer_index): row.finding
        for row in result.audit()
        if row.quantity == "I(X;M)"
    }
    assert findings[1, 2] == "within interval"
    assert findings[1, 3] == "estimator"
    assert findings[1, 4] == "noise model"
    assert findings[0, 1] == "holds"


def test_a_rise_across_a_merge_is_no_violation(unet, loader):
    result = made_up(unet, loader)
    result.dataset["ixm"][0, 11] = result.dataset["ixm"][0, 10] + 0.5
    result.dataset["ixm"][0, 7] = result.dataset["ixm"][0, 11]
    rows = [
        r for r in result.audit() if (r.before_index, r.layer_index, r.quantity[2]) == (10, 11, "X")
    ]
    assert [row.finding for row in rows] == ["merge"]
    assert rows[0] not in result.audit().violations


def test_every_dominator_pair_is_compared(unet, loader):
    result = made_up(unet, loader)
    graph = result.graph
    pairs = set()
    for layer in graph.layers:
        above = graph.dominators[layer.name]
        while above is not None:
            pairs.add((above, layer.name))
            above = graph.dominators[above]
    found = {(r.before, r.layer) for r in result.audit() if r.finding != "merge"}
    assert found == pairs
    json.dumps(result.audit().to_dict(), allow_nan=False)


def test_an_epoch_that_was_not_measured(unet, loader):
    with pytest.raises(ValueError, match=r"epoch must be among the measured ones, \[0\], got 3"):
        made_up(unet, loader).audit(epoch=3)


def numbers_like(first, second):
    """Return what the audit reads of two layers, estimated from the same samples."""
    return [
        LayerNumbers(e.ixm, e.ixm_ci_low, e.ixm_ci_high, e.ixm_lower, e.ixm_upper, replicates(e))
        for e in (first, second)
    ]


def replicates(estimate):
    return torch.tensor(estimate.ixm_replicates, dtype=torch.float64)


def test_layers_that_share_their_samples_are_compared_as_pairs():
    """The intervals of both overlap by far, yet the rise is the same without any of the samples."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 1)) * random.exponential(size=(60, 1)) ** 2
    early, late = (infoflow.estimate(scale * x, noise=1.0) for scale in (1.0, 1.05))
    assert late.ixm_ci_low < early.ixm_ci_high
    assert finding_of(*numbers_like(early, late), is_propagated=False) == "noise model"
    sketched = [replace(one, error=0.2) for one in numbers_like(early, late)]
    assert finding_of(*sketched, is_propagated=False) == "within interval"
    alone = [replace(one, replicates=one.replicates[:0]) for one in numbers_like(early, late)]
    assert finding_of(*alone, is_propagated=False) == "within interval"


def rises(seed):
    """Return a rise, its paired interval, and whether the layers' own intervals overlap."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 1))
    early = infoflow.estimate(x, estimator=infoflow.KDE(0.5, permutations=0))
    late = infoflow.estimate(1.2 * x, estimator=infoflow.KDE(0.5, permutations=0))
    ends = jackknife_interval(late.ixm - early.ixm, replicates(late) - replicates(early))
    return late.ixm - early.ixm, ends.low, ends.high, late.ixm_ci_low <= early.ixm_ci_high


def held(data_sets):
    rows = np.array([rises(seed) for seed in range(data_sets)], dtype=float)
    true = rows[:, 0].mean()
    return ((rows[:, 1] <= true) & (true <= rows[:, 2])).mean(), rows[:, 3].mean()


def test_paired_intervals_hold_the_mean_rise_about_as_often_as_they_say():
    share, overlaps = held(60)
    assert 0.85 <= share <= 1.0
    assert overlaps > 0.9  # the layers' own intervals see the rise almost never


@pytest.mark.thorough
def test_paired_intervals_hold_the_mean_rise_in_95_percent_of_data_sets():
    share, _ = held(1000)
    assert 0.93 <= share <= 0.985  # 0.9725 in 2,000: delete-a-group intervals are a little wide


def test_replicates_are_saved_and_change_their_unit(tmp_path, points):
    result = infoflow.analyze(chain(0.1, 10.0), points, noise=0.1, progress=False)
    assert result.dataset["ixm_replicates"].dims == ("epoch", "layer", "group")
    assert "iym_replicates" not in result.dataset
    again = infoflow.load(result.save(tmp_path / "a.nc"))
    assert again.audit() == result.audit()
    ratio = result.to("nats").dataset["ixm_replicates"] / result.dataset["ixm_replicates"]
    np.testing.assert_allclose(ratio, np.log(2), rtol=1e-6)
    assert [row.finding for row in again.to("nats").audit()] == ["noise model"]
