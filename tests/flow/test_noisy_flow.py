"""Sample propagation of whole nets: closed forms, the data processing inequality, files."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow import NoisyNet, SamplePropagation
from tests.estimators.gaussians import mixture_information

GAINS = (1.4, 0.8, 1.1, 0.6)
BETA = 0.3


@pytest.fixture(scope="module")
def linear_chain():
    """Four noisy linear maps of a number, so that every T given x is Gaussian; and its result."""
    net = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in GAINS)).double()
    with torch.no_grad():
        for layer, gain in zip(net, GAINS, strict=True):
            layer.weight.fill_(gain)
    x = torch.linspace(-1, 1, 16, dtype=torch.float64)[:, None]
    y = (x[:, 0] > 0).long()
    noisy = NoisyNet(net, beta=BETA, layers="all")
    result = infoflow.analyze(
        noisy,
        [(x[:10], y[:10]), (x[10:], y[10:])],
        estimator=SamplePropagation(draws=96),
        unit="nats",
        progress=False,
    )
    return x, result


def truths(x):
    """I(X;T) and I(Y;T) of every layer, by numerical integration."""
    gain, variance = 1.0, 0.0
    for step in GAINS:
        gain, variance = gain * step, variance * step**2 + BETA**2
        pooled = mixture_information(gain * x, math.sqrt(variance))
        within = [mixture_information(gain * half, math.sqrt(variance)) for half in x.split(8)]
        yield pooled, pooled - sum(within) / 2


def test_every_layer_of_a_linear_chain_has_its_closed_form(linear_chain):
    x, result = linear_chain
    for layer, (about_x, about_y) in enumerate(truths(x)):
        here = result.dataset.isel(epoch=0, layer=layer)
        for symbol, truth in (("ixm", about_x), ("iym", about_y)):
            slack = 3 * here[f"{symbol}_standard_error"].item()
            assert here[symbol].item() == pytest.approx(truth, abs=0.06)
            assert here[f"{symbol}_lower"].item() - slack < truth
            assert truth < here[f"{symbol}_upper"].item() + slack


def test_information_falls_along_a_chain(linear_chain):
    """The data processing inequality, from layer to layer, within the standard errors."""
    _, result = linear_chain
    for symbol in ("ixm", "iym"):
        values = result.dataset[symbol].values[0]
        errors = result.dataset[f"{symbol}_standard_error"].values[0]
        falls = values[:-1] - values[1:]
        assert (falls > -3 * np.hypot(errors[:-1], errors[1:])).all()
        assert values[0] > values[-1] + 0.1


def test_noise_of_the_measurement_rises_where_noise_of_the_net_cannot():
    """Design, section 4: M1 = 0.1 X, M2 = 10 M1; KDE rises from 0.048 to 1.199 nats."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)).double()
    with torch.no_grad():
        net[0].weight.fill_(0.1)
        net[1].weight.fill_(10.0)
    x = torch.randn(40, 1, dtype=torch.float64)
    options = {"unit": "nats", "progress": False, "target": "none"}
    kde = infoflow.analyze(net, [x], noise=0.1, **options).ixm.values[0]
    noisy = NoisyNet(net, beta=math.sqrt(0.1), layers="all")
    estimator = SamplePropagation(draws=128)
    inside = infoflow.analyze(noisy, [x], estimator=estimator, **options).dataset.isel(epoch=0)
    assert kde[1] > kde[0] + 1
    assert inside["ixm"][1] < inside["ixm"][0] + 0.15
    assert inside["ixm_lower"][1] < inside["ixm"][0] + 0.03


def test_doubts_are_saved_with_the_result_and_in_its_unit(linear_chain, tmp_path):
    _, result = linear_chain
    again = infoflow.load(result.save(tmp_path / "noisy.nc")).dataset
    for name in ("ixm_standard_error", "iym_standard_error", "ixm_risk_bound"):
        assert again[name].equals(result.dataset[name])
        assert again[name].attrs["units"] == "nats"
    assert (again["ixm_risk_bound"] > 0).all()
    assert "sample propagation with 96 draws" in str(result)


def test_an_audit_never_blames_a_noise_that_is_propagated(linear_chain):
    _, result = linear_chain
    assert result.dataset.attrs["is_propagated"] == 1
    rising = result.dataset.copy(deep=True)
    for end in ("", "_lower", "_upper"):
        rising[f"ixm{end}"][0, 3] = 2.0
    blamed = infoflow.FlowResult(rising, result.graph).audit()
    assert "noise model" not in {row.finding for row in blamed}
    assert "estimator" in {row.finding for row in blamed}


def test_other_estimators_have_no_such_doubts():
    result = infoflow.analyze(nn.Linear(3, 4), [torch.randn(8, 3)], progress=False, target="none")
    assert "ixm_standard_error" not in result.dataset


def test_a_training_is_tracked_by_name():
    noisy = NoisyNet(nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2)), beta=0.5)
    x = torch.randn(64, 3)
    tracker = infoflow.Tracker(
        noisy, [x], schedule=[0, 1], estimator="sample-propagation", progress=False, target="none"
    )
    tracker.record(0)
    with torch.no_grad():
        noisy.model[0].weight.zero_()
    tracker.record(1)
    first, last = tracker.result.ixm.values[:, 0]
    assert first > 0.3
    assert last == pytest.approx(0.0, abs=0.02)
