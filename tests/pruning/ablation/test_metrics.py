"""The user's metric by sample, against torchmetrics' definitions written out."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.pruning.ablation.losses import resolve_loss
from infoflow.pruning.ablation.metric_loss import metric_loss, objection
from infoflow.pruning.ablation.metrics import Metric, resolve_metric
from infoflow.pruning.ablation.tolerance import default_metric_tolerance


def masks_and_loss():
    logits, masks = torch.randn(6, 1, 5, 5), (torch.rand(6, 1, 5, 5) > 0.4).float()
    return logits, masks, resolve_loss("auto", output=logits, target=masks)


def test_dice_and_iou_of_masks_are_those_of_sets():
    logits, masks, loss = masks_and_loss()
    dice = resolve_metric("dice", loss=loss).per_sample(logits, masks)
    iou = resolve_metric("iou", loss=loss).per_sample(logits, masks)
    for i in range(6):
        found = {tuple(p) for p in (logits[i, 0] > 0).nonzero().tolist()}
        true = {tuple(p) for p in (masks[i, 0] > 0).nonzero().tolist()}
        assert math.isclose(float(dice[i]), 2 * len(found & true) / (len(found) + len(true)))
        assert math.isclose(float(iou[i]), len(found & true) / len(found | true))


def test_an_empty_mask_that_is_found_empty_counts_as_found():
    logits, masks = torch.full((2, 1, 3, 3), -5.0), torch.zeros(2, 1, 3, 3)
    loss = resolve_loss("binary", output=logits, target=masks)
    assert resolve_metric("dice", loss=loss).per_sample(logits, masks).tolist() == [1.0, 1.0]


def test_dice_of_several_classes_is_the_mean_over_those_that_are_there():
    logits, maps = torch.randn(4, 3, 5, 5), torch.randint(0, 3, (4, 5, 5))
    maps[0] = 1
    maps[0, 0] = 255
    loss = resolve_loss("auto", output=logits, target=maps, ignore_index=255)
    found = resolve_metric("dice", loss=loss).per_sample(logits, maps)
    for i in range(4):
        counted, scores = maps[i] != 255, []
        decided = logits[i].argmax(0)
        for label in range(3):
            a, b = (decided == label) & counted, (maps[i] == label) & counted
            if a.any() or b.any():
                scores.append(2 * float((a & b).sum()) / float(a.sum() + b.sum()))
        assert math.isclose(float(found[i]), np.mean(scores))


def test_accuracy_is_the_share_of_labels_that_are_right():
    logits, labels = torch.randn(50, 4), torch.randint(0, 4, (50,))
    loss = resolve_loss("auto", output=logits, target=labels)
    found = resolve_metric("accuracy", loss=loss).per_sample(logits, labels)
    assert float(found.mean()) == float((logits.argmax(1) == labels).double().mean())


def test_psnr_is_in_decibels_of_the_range():
    truth = torch.rand(5, 3, 8, 8)
    loss = resolve_loss("regression", output=truth + 0.1, target=truth)
    metric = resolve_metric("psnr", loss=loss, target=truth)
    torch.testing.assert_close(
        metric.per_sample(truth + 0.1, truth), torch.full((5,), 20.0).double(), atol=1e-4, rtol=0
    )
    assert metric.per_sample(truth, truth).tolist() == [100.0] * 5


def test_a_function_of_one_argument_takes_the_net_and_of_two_the_output():
    _, _, loss = masks_and_loss()
    assert resolve_metric(lambda net: 0.5, loss=loss).of_net(nn.Identity()) == 0.5
    metric = resolve_metric(lambda output, target: output[:, 0], loss=loss)
    assert metric.per_sample(torch.ones(3, 2), None).tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda net: math.nan, "finite number, got nan"),
        (lambda net: "good", "one number for a net, got str"),
        (lambda net: None, "one number for a net, got NoneType"),
    ],
)
def test_a_metric_of_the_net_that_is_no_number_is_refused(function, message):
    _, _, loss = masks_and_loss()
    with pytest.raises(ArgumentError, match=message):
        resolve_metric(function, loss=loss).of_net(nn.Identity())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda o, t: o.mean(), r"shape \(3,\), got float32 of shape \(\)"),
        (lambda o, t: o[:, 0] * math.nan, "finite, got nan"),
        (lambda o, t: 1.0, "got float"),
    ],
)
def test_a_metric_of_samples_that_is_no_number_is_refused(function, message):
    _, _, loss = masks_and_loss()
    with pytest.raises(ArgumentError, match=message):
        resolve_metric(function, loss=loss).per_sample(torch.ones(3, 2), None)


def test_what_is_no_metric_gets_a_sentence():
    values = torch.randn(4, 3)
    loss = resolve_loss("auto", output=values, target=torch.randn(4, 3))
    with pytest.raises(ArgumentError, match=r"'accuracy', 'dice', 'iou', 'psnr'.*got 'f1'"):
        resolve_metric("f1", loss=loss)
    with pytest.raises(ArgumentTypeError, match="got int"):
        resolve_metric(3, loss=loss)
    with pytest.raises(ArgumentTypeError, match="one that needs 3"):
        resolve_metric(lambda a, b, c: a, loss=loss)
    with pytest.raises(ArgumentError, match="predicts classes or masks"):
        resolve_metric("dice", loss=loss).per_sample(values, values)


def test_the_loss_of_a_metric_has_students_interval():
    draw = np.random.default_rng(0)
    whole = draw.random(40)
    other = whole - 0.1 + 0.05 * draw.standard_normal(40)
    found = metric_loss(Metric("m", "sample", len), whole, other)
    wanted = stats.ttest_rel(whole, other).confidence_interval(0.95)
    assert np.allclose((found.low, found.high), (wanted.low, wanted.high))
    up = metric_loss(Metric("m", "sample", len, lower_is_better=True), other, whole)
    assert math.isclose(up.value, found.value)


def test_a_group_that_is_hurt_is_the_worst_and_vetoes():
    rows = np.arange(200)
    groups = (rows < 40).astype(int)
    whole = np.ones(200)
    other = whole - np.where((groups == 1) & (rows % 2 == 0), 0.5, 0.0)
    found = metric_loss(Metric("m", "sample", len), whole, other, groups=groups)
    assert found.worst.name == "1"
    assert math.isclose(found.worst.value, 0.25)
    hurt = objection(found, 0.1, needs_proof=False)
    assert hurt.is_shown
    assert "1 loses at least" in hurt.reason
    assert objection(found, 0.5, needs_proof=True) is None
    assert "loses at least 0.029" in objection(found, 0.01, needs_proof=False).reason


def test_samples_without_a_label_are_left_out_of_the_metric():
    found = metric_loss(Metric("m", "sample", len), [1.0, math.nan, 0.5], [0.5, math.nan, 0.5])
    assert found.value == 0.25
    assert found.whole == 0.75


def test_a_metric_of_the_net_has_no_interval_so_it_shows_nothing():
    found = metric_loss(Metric("m", "net", len), 0.9, 0.85)
    assert math.isnan(found.low)
    assert not objection(found, 0.04, needs_proof=False).is_shown
    assert objection(found, 0.06, needs_proof=True) is None


def test_a_default_vetoes_and_what_the_caller_asks_for_needs_proof():
    draw = np.random.default_rng(0)
    whole = draw.random(100)
    lost = metric_loss(
        Metric("m", "sample", len), whole, whole - 0.01 + 0.1 * draw.normal(size=100)
    )
    assert lost.value < 0.02 < lost.high
    assert objection(lost, 0.02, needs_proof=False) is None
    asked = objection(lost, 0.02, needs_proof=True)
    assert "must be shown to lose less than 0.02" in asked.reason
    assert not asked.is_shown
    about = objection(lost, lost.value / 2, needs_proof=False)
    assert "loses about" in about.reason
    assert not about.is_shown
    assert objection(lost, lost.low - 0.001, needs_proof=False).is_shown
    assert objection(lost, math.nan, needs_proof=False) is None


def test_a_default_tolerance_of_a_metric_is_never_0():
    assert default_metric_tolerance(0.98, None) == pytest.approx(0.0147)
    assert default_metric_tolerance(0.0, np.array([1.0, -1.0, math.nan])) == pytest.approx(0.015)
    assert math.isnan(default_metric_tolerance(0.0, None))
    assert math.isnan(default_metric_tolerance(0.0, np.zeros(5)))
