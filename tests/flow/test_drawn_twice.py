"""Why the saved curve of Goldfeld et al. has a second layer that knows more than the first."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

import infoflow
from infoflow.interface import InfoflowWarning


@pytest.fixture(scope="module")
def noisy() -> infoflow.NoisyNet:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))
    return infoflow.NoisyNet(net, beta=0.01)


def measured(noisy: infoflow.NoisyNet, inputs: Tensor, draws: int) -> infoflow.FlowResult:
    estimator = infoflow.SamplePropagation(draws=draws, standard_error=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        return infoflow.analyze(noisy, [inputs], estimator=estimator, unit="nats", progress=False)


def test_few_draws_of_inputs_drawn_twice_rise_along_the_chain_and_the_audit_says_why(noisy):
    inputs = torch.randn(128, 6, generator=torch.Generator().manual_seed(1))
    chosen = torch.randint(128, (128,), generator=torch.Generator().manual_seed(2))
    shares = torch.bincount(chosen)[torch.bincount(chosen) > 0] / 128
    entropy = float(-(shares * shares.log()).sum())
    result = measured(noisy, inputs[chosen], draws=2)
    first, second = result.ixm.values.ravel()
    assert first == pytest.approx(entropy, abs=0.06)  # drawn twice, it is one place in T₁
    assert second > first + 0.1  # but two in T₂, whose two draws do not meet
    assert [row.finding for row in result.audit().violations] == ["estimator"]
    assert result.dataset["ixm_lower"].values.ravel()[1] < first


def test_inputs_that_differ_do_not_rise(noisy):
    inputs = torch.randn(128, 6, generator=torch.Generator().manual_seed(1))
    result = measured(noisy, inputs, draws=2)
    assert result.ixm.values.ravel()[0] == pytest.approx(math.log(128), abs=1e-3)
    assert result.audit().violations == ()
