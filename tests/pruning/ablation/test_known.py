"""What a net knows beyond the best constant prediction, and verdicts where it knows nothing."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.pruning.ablation.bounds import Paired, bits_interval, default_tolerance, verdict
from infoflow.pruning.ablation.losses import resolve_loss
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def frequencies(labels, classes):
    return torch.bincount(labels.flatten(), minlength=classes).double() / labels.numel()


def constant_output(kind, target):
    """The slow twin: an output that predicts the same for every label, as the loss takes it."""
    if kind == "classes":
        return frequencies(target, 3).log().expand(len(target), 3)
    if kind == "map":
        shares = frequencies(target[target != 255], 3).log()
        return shares[None, :, None, None].expand(len(target), 3, *target.shape[1:])
    if kind == "mask":
        return torch.full_like(target, float(target.mean())).double().logit()
    if kind == "several":
        return target.double().mean(0).logit().expand_as(target)
    if kind == "shares":
        return target.mean(0).log().expand_as(target)
    if kind == "tokens":
        shares = frequencies(target[:, 1:], 5).log()
        return shares.expand(*target.shape, 5)
    return target.mean(0).expand_as(target) if kind == "values" else target.mean().expand_as(target)


TARGETS = {
    "classes": torch.randint(0, 3, (40,), generator=draw()),
    "map": torch.randint(0, 3, (12, 4, 4), generator=draw()),
    "mask": (torch.rand(12, 1, 4, 4, generator=draw()) < 0.2).float(),
    "several": (torch.rand(40, 4, generator=draw()) < torch.tensor([0.1, 0.5, 0.7, 0.9])).float(),
    "shares": torch.rand(40, 3, generator=draw()).softmax(-1),
    "tokens": torch.randint(0, 5, (12, 7), generator=draw()),
    "values": torch.randn(40, 3, generator=draw()) + torch.tensor([0.0, 5.0, -5.0]),
    "picture": torch.randn(12, 1, 4, 4, generator=draw()),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.filterwarnings("ignore::infoflow.interface.InfoflowWarning")
def test_the_best_constant_loses_what_an_output_that_never_changes_loses(kind):
    target = TARGETS[kind]
    if kind == "map":
        target = target.clone()
        target[0, 0] = 255  # no label
    output = constant_output(kind, target)
    name = {"tokens": "next_token"}.get(kind, "auto")
    loss = resolve_loss(name, output=output.float(), target=target)
    halves = target.split((len(target) + 1) // 2)
    totals = sum(loss.constant_totals(half) for half in halves)
    found = [loss.constant_bits(totals, half) for half in halves]
    wanted = loss(output, target)
    assert torch.equal(torch.cat([part.labels for part in found]), wanted.labels)
    bits = torch.cat([part.bits for part in found])
    assert torch.allclose(bits, wanted.bits, rtol=1e-5, atol=1e-7)
    nudged = output + 0.3 * torch.randn(output.shape[1:], generator=draw(1)).double()
    other = loss(nudged, target)
    assert (bits * wanted.labels).sum() <= (other.bits * other.labels).sum() + 1e-9


def test_class_numbers_may_be_of_any_type_and_shares_can_be_screened():
    """Class numbers as floats once ended in an IndexError, and so did drawn labels of shares."""
    points, labels = clusters(200, seed=3)
    options = {"mend": None, "sets": None, "progress": False, "streams": "blocks.0->add"}
    numbers = infoflow.ablate(trained(), loader(points, labels.float()), **options)
    shares = infoflow.ablate(trained(), loader(points, nn.functional.one_hot(labels)), **options)
    for name in ("bits", "known_bits", "screen_fisher"):
        np.testing.assert_allclose(numbers.dataset[name], shares.dataset[name], rtol=1e-6)
        assert numbers.dataset[name].notnull().any()


def test_a_loss_that_is_a_function_has_no_constant():
    values, labels = torch.zeros(8, 3), torch.zeros(8, dtype=torch.long)
    function = lambda out, y: nn.functional.cross_entropy(out, y, reduction="none")  # noqa: E731
    loss = resolve_loss(function, output=values, target=labels)
    assert loss.constant_totals(labels) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_net_that_knows_nothing_gets_no_firm_verdict_and_a_sentence(seed):
    torch.manual_seed(seed)
    labels = torch.randint(0, 3, (420,), generator=draw(seed))
    found = infoflow.ablate(
        Residual().eval(), loader(clusters(420, seed)[0], labels), mend=None, progress=False
    )
    assert float(found.dataset["known_bits_low"]) <= 0
    assert {row.verdict for row in found.rows} == {"cannot tell"}
    assert {point.verdict for point in found.frontier()} <= {"cannot tell"}
    assert not found.cuttable
    assert "is not shown to predict better than a constant" in found.rows[0].reason
    assert found.conclusion.startswith("Cannot tell what can go: the whole net is not shown")
    assert not infoflow.suggest_pruning(found).cuttable


def test_a_regression_that_knows_nothing_gets_no_firm_verdict():
    torch.manual_seed(0)
    net, points = Residual(classes=1).eval(), clusters(420)[0]
    targets = torch.randn(420, 1)
    found = infoflow.ablate(net, loader(points, targets), mend=None, progress=False)
    judges = np.flatnonzero(found.dataset["role"].values == "judge")
    error = (net(points[judges]).detach() - targets[judges]).square().mean()
    variance = targets[judges].var(correction=0)
    known = 0.5 * math.log2(float(variance / error))
    assert float(found.dataset["known_bits"]) == pytest.approx(known, rel=1e-4)
    assert {row.verdict for row in found.rows} == {"cannot tell"}


def calibrated(spread, sets, count=256, seed=0):
    """Return rises of sets of samples, in bits, and their mean.

    Labels are drawn from the whole net's own prediction of ten classes; the other net has logits
    with noise of this spread. The mean is the divergence of the two, averaged over the inputs.
    """
    random = np.random.default_rng(seed)
    logits = 4 * random.normal(size=(500, 10))
    whole, other = (
        values - np.log(np.exp(values).sum(1, keepdims=True))
        for values in (logits, logits + spread * random.normal(size=logits.shape))
    )
    inputs = random.integers(0, 500, (sets, count))
    labels = (np.exp(whole)[inputs].cumsum(-1) < random.random((sets, count, 1))).sum(-1).clip(0, 9)
    mean = float((np.exp(whole) * (whole - other)).sum(1).mean()) / math.log(2)
    return (whole - other)[inputs, labels] / math.log(2), mean


@pytest.mark.parametrize("spread", [0.1, 0.2, 0.4])
def test_rises_of_a_calibrated_net_scatter_as_the_docs_say(spread):
    rises, mean = calibrated(spread, 200)
    assert rises.mean() == pytest.approx(mean, abs=4 * rises.std() / math.sqrt(rises.size))
    assert rises.std() == pytest.approx(math.sqrt(2 * mean / math.log(2)), rel=0.2)


def test_the_default_tolerance_can_be_told_from_256_samples_and_a_share_of_the_loss_cannot():
    tolerance = default_tolerance(0.1, known=3.2)
    told = {}
    for share in (0.3, 4.0):  # of the tolerance; the mean grows with the square of the spread
        unit = calibrated(0.2, 1)[1] / 0.2**2
        rises, mean = calibrated(math.sqrt(share * tolerance / unit), 40)
        assert mean == pytest.approx(share * tolerance, rel=0.35)
        intervals = [bits_interval(Paired(values, np.ones(256))) for values in rises]
        told[share] = [verdict(one, tolerance) for one in intervals]
        small = [verdict(one, default_tolerance(0.1)) for one in intervals]
        assert small.count("prune") == 0
    assert told[0.3].count("prune") >= 32
    assert told[4.0].count("keep") >= 32
