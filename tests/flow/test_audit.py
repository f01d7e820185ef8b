"""The data processing inequality: what is a violation, what is none, and why."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import infoflow


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
