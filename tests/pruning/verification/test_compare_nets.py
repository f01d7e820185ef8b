"""Two nets beside each other: the numbers against plain torch, and what cannot be compared."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import infoflow
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


@pytest.fixture(scope="module")
def net():
    return trained()


@pytest.fixture(scope="module")
def samples():
    return clusters(300, seed=5)


def bits(net, points, labels):
    with torch.no_grad():
        nats = nn.functional.cross_entropy(net(points), labels, reduction="none")
    return nats.double().numpy() / math.log(2)


def test_the_rise_is_that_of_plain_torch_with_a_paired_interval(net, samples):
    slim = infoflow.prune(net, "blocks.0->add", samples[0][:2])
    found = infoflow.compare_nets(net, slim, loader(*samples), metric="accuracy")
    whole, other = bits(net, *samples), bits(slim, *samples)
    rises = other - whole
    assert found.whole_bits == pytest.approx(whole.mean(), rel=1e-6)
    assert found.bits == pytest.approx(rises.mean(), rel=1e-5)
    reach = stats.t.ppf(0.975, 299) * rises.std(ddof=1) / math.sqrt(300)
    assert found.bits_low <= rises.mean() - reach + 1e-6
    assert found.bits_high >= rises.mean() + reach - 1e-6
    hits = [(one(samples[0]).argmax(1) == samples[1]).double().mean().item() for one in (net, slim)]
    assert (found.metric_whole, found.metric_other) == pytest.approx(hits)
    assert found.metric_lost == pytest.approx(hits[0] - hits[1])
    assert found.parameters == tuple(
        sum(p.numel() for p in one.parameters()) for one in (net, slim)
    )
    assert found.multiply_adds[1] == found.multiply_adds[0] - 12 * 12
    assert (found.samples, found.unit_of_bits) == (300, "bits per label")


def test_verdicts(net, samples):
    given = {"held_out": loader(*samples), "metric": "accuracy"}
    same = infoflow.compare_nets(net, net, **given)
    assert (same.bits, same.verdict, same.reason) == (0, "within tolerance", "")
    worse = infoflow.compare_nets(net, Residual().eval(), **given)
    assert worse.verdict == "beyond tolerance"
    few = infoflow.compare_nets(net, net, loader(*clusters(90)))
    assert few.verdict == "cannot tell"
    assert "90 samples judge; a verdict needs 236 or more" in str(few)
    strict = infoflow.compare_nets(net, worse_by_little(net), tolerance=1e-9, **given)
    assert strict.verdict != "within tolerance"


def worse_by_little(net):
    other = Residual().eval()
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        other.head.weight.mul_(0.2)
    return other


def test_it_is_saved_and_shown_in_80_columns(net, samples, tmp_path):
    found = infoflow.compare_nets(net, worse_by_little(net), loader(*samples), metric="accuracy")
    found.save(tmp_path / "found.nc")
    again = infoflow.load(tmp_path / "found.nc")
    assert str(again) == str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert found.dataset["bits"].attrs["units"] == "bits per label"


def test_both_nets_are_left_as_they_were(samples):
    net, other = trained(steps=5).train(), trained(steps=3).train()
    before = [one.state_dict() for one in (net, other)]
    infoflow.compare_nets(net, other, loader(*samples))
    for one, kept in zip((net, other), before, strict=True):
        assert one.training
        assert all(torch.equal(kept[name], value) for name, value in one.state_dict().items())


def test_a_metric_of_the_net_is_asked_of_both(net, samples):
    def smallest(one):
        return float(min(np.abs(p.detach().numpy()).max() for p in one.parameters()))

    found = infoflow.compare_nets(net, worse_by_little(net), loader(*samples), metric=smallest)
    assert found.metric_whole == pytest.approx(smallest(net))
    assert math.isnan(found.metric_low)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Linear(7, 3), "Linear does not run on this batch"),
        (nn.Linear(4, 2), "from 0 to 1|does not run on the held-out samples"),
        ("net", "module"),
    ],
)
def test_what_is_no_net_for_the_same_task_gets_a_sentence(net, samples, other, message):
    with pytest.raises((infoflow.InfoflowError, TypeError), match=message):
        infoflow.compare_nets(net, other, loader(*samples))


def test_too_few_samples_are_refused(net):
    with pytest.raises(infoflow.ArgumentError, match="at least 64 samples"):
        infoflow.compare_nets(net, net, loader(*clusters(40)))
