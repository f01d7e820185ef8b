"""The loss of each sample in bits, against torch's own losses and closed forms."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import infoflow
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError, TargetError
from infoflow.pruning.ablation.losses import LossWarning, resolve_loss

BIT = math.log(2)


def close(found, wanted):
    torch.testing.assert_close(found, wanted.double(), rtol=1e-5, atol=1e-6)


class Ending(nn.Module):
    """A linear layer, or a convolution, and something behind it."""

    def __init__(self, layer, end):
        super().__init__()
        self.layer, self.end = layer, end

    def forward(self, x):
        return self.end(self.layer(x))


def traced(net, x):
    graph = infoflow.trace(net.eval(), x)
    with torch.no_grad():
        return graph, net(x)


# ---------------------------------------------------------------------------- one of K classes


def test_logits_of_classes_cost_their_cross_entropy():
    logits, labels = torch.randn(9, 5), torch.randint(0, 5, (9,))
    loss = resolve_loss("auto", output=logits, target=labels)
    found = loss(logits, labels)
    close(found.bits, F.cross_entropy(logits, labels, reduction="none") / BIT)
    assert found.labels.tolist() == [1.0] * 9
    assert (loss.kind, loss.per, loss.classes) == ("cross_entropy", "label", 5)


def test_guessing_costs_the_logarithm_of_the_number_of_classes():
    logits, labels = torch.zeros(4, 8), torch.arange(4)
    assert (
        resolve_loss("auto", output=logits, target=labels)(logits, labels).bits.tolist()
        == [3.0] * 4
    )


@pytest.mark.parametrize(
    "end",
    [
        nn.Softmax(1),
        lambda x: F.softmax(x, dim=1),
        lambda x: x.softmax(-1).float().contiguous(),
        lambda x: x.log_softmax(1),
        nn.LogSoftmax(1),
        lambda x: x,
    ],
    ids=["Softmax", "F.softmax", "method and views", "log_softmax", "LogSoftmax", "logits"],
)
def test_the_graph_knows_what_the_net_ends_in(end):
    layer, x = nn.Linear(4, 3), torch.randn(6, 4)
    labels = torch.randint(0, 3, (6,))
    graph, output = traced(Ending(layer, end), x)
    loss = resolve_loss("auto", output=output, target=labels, graph=graph)
    close(loss(output, labels).bits, F.cross_entropy(layer(x), labels, reduction="none") / BIT)
    assert not loss.notes


def test_without_a_graph_probabilities_are_known_by_their_sum_and_it_is_said():
    chances = torch.randn(6, 3).softmax(1)
    labels = torch.randint(0, 3, (6,))
    with pytest.warns(LossWarning, match="sum to 1"):
        loss = resolve_loss("auto", output=chances, target=labels)
    close(loss(chances, labels).bits, F.nll_loss(chances.log(), labels, reduction="none") / BIT)


def test_a_graph_from_a_file_knows_the_end_from_what_follows_its_last_layer():
    graph, output = traced(Ending(nn.Linear(4, 3), nn.Softmax(1)), torch.randn(6, 4))
    again = type(graph).from_dict(graph.to_dict())
    labels = torch.randint(0, 3, (6,))
    assert resolve_loss("auto", output=output, target=labels, graph=again).notes == ()


def test_shares_of_classes_cost_their_cross_entropy():
    logits, shares = torch.randn(7, 4), torch.rand(7, 4).softmax(1)
    found = resolve_loss("auto", output=logits, target=shares)(logits, shares)
    close(found.bits, F.cross_entropy(logits, shares, reduction="none") / BIT)


def test_one_hot_targets_cost_as_much_as_class_numbers():
    logits, labels = torch.randn(7, 4), torch.randint(0, 4, (7,))
    for hot in (F.one_hot(labels, 4), F.one_hot(labels, 4).float()):
        found = resolve_loss("auto", output=logits, target=hot)(logits, hot)
        close(found.bits, F.cross_entropy(logits, labels, reduction="none") / BIT)


def test_maps_of_many_classes_are_averaged_over_the_pixels_that_count():
    logits, maps = torch.randn(5, 4, 6, 7), torch.randint(0, 4, (5, 6, 7))
    maps[0, :3] = 255
    maps[1] = 255
    with pytest.warns(LossWarning, match="labels 255 are left out"):
        loss = resolve_loss("auto", output=logits, target=maps)
    found = loss(logits, maps)
    each = F.cross_entropy(logits, maps, reduction="none", ignore_index=255)
    assert found.labels.tolist() == [21.0, 0.0, 42.0, 42.0, 42.0]
    close(found.bits * found.labels, each.sum((1, 2)) / BIT)
    assert found.bits[1] == 0
    assert loss.per == "pixel"


def test_maps_with_a_channel_of_one_are_maps():
    logits, maps = torch.randn(5, 4, 6, 7), torch.randint(0, 4, (5, 1, 6, 7))
    found = resolve_loss("auto", output=logits, target=maps)(logits, maps)
    each = F.cross_entropy(logits, maps[:, 0], reduction="none").mean((1, 2))
    close(found.bits, each / BIT)


def test_the_ignore_index_of_torchs_cross_entropy_counts():
    logits, maps = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    maps[:, 0] = 7
    own = nn.CrossEntropyLoss(ignore_index=7)
    loss = resolve_loss(own, output=logits, target=maps)
    assert loss.kind == "cross_entropy"
    found = loss(logits, maps)
    assert found.labels.tolist() == [12, 12]
    assert found.bits.mean().item() * math.log(2) == pytest.approx(own(logits, maps).item())
    with pytest.raises(ArgumentError, match="no weight and no label_smoothing"):
        resolve_loss(nn.CrossEntropyLoss(label_smoothing=0.1), output=logits, target=maps)


def test_the_callers_ignore_index_counts_even_within_the_classes():
    logits, maps = torch.randn(2, 4, 3, 3), torch.randint(0, 4, (2, 3, 3))
    loss = resolve_loss("auto", output=logits, target=maps, ignore_index=0)
    found = loss(logits, maps)
    each = F.cross_entropy(logits, maps, reduction="none", ignore_index=0)
    close(found.bits * found.labels, each.sum((1, 2)) / BIT)
    assert found.labels.tolist() == (maps != 0).sum((1, 2)).tolist()


# ---------------------------------------------------------------------------- yes or no


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 1, 4, 5), (8, 3)])
@pytest.mark.parametrize("kind", [torch.float32, torch.int64, torch.bool])
def test_binary_logits_cost_their_cross_entropy(shape, kind):
    logits = torch.randn(shape)
    truth = torch.rand(shape) > 0.5
    target = truth.to(kind)
    loss = resolve_loss("binary", output=logits, target=target)
    each = F.binary_cross_entropy_with_logits(logits, truth.float(), reduction="none")
    found = loss(logits, target)
    close(found.bits, each.reshape(8, -1).mean(1) / BIT)
    assert found.labels.tolist() == [math.prod(shape[1:])] * 8


@pytest.mark.parametrize("target_shape", [(8, 4, 5), (8, 1, 4, 5)])
def test_masks_need_no_channel(target_shape):
    logits, masks = torch.randn(8, 1, 4, 5), (torch.rand(target_shape) > 0.5).float()
    found = resolve_loss("auto", output=logits, target=masks)
    each = F.binary_cross_entropy_with_logits(logits.reshape(target_shape), masks, reduction="none")
    close(found(logits, masks).bits, each.reshape(8, -1).mean(1) / BIT)
    assert (found.kind, found.per) == ("binary", "pixel")


@pytest.mark.parametrize("end", [nn.Sigmoid(), torch.sigmoid], ids=["module", "function"])
def test_a_sigmoid_at_the_end_is_known(end):
    net, x = Ending(nn.Conv2d(3, 1, 1), end), torch.randn(4, 3, 5, 5)
    masks = (torch.rand(4, 1, 5, 5) > 0.5).float()
    graph, output = traced(net, x)
    loss = resolve_loss("auto", output=output, target=masks, graph=graph)
    each = F.binary_cross_entropy(output, masks, reduction="none").mean((1, 2, 3))
    close(loss(output, masks).bits, each / BIT)
    assert not loss.notes


def test_logits_that_lie_between_0_and_1_are_logits_where_the_graph_ends_in_a_layer():
    layer = nn.Conv2d(3, 1, 1)
    nn.init.constant_(layer.weight, 0.0)
    nn.init.constant_(layer.bias, 0.5)
    graph, output = traced(Ending(layer, lambda x: x), torch.randn(4, 3, 5, 5))
    masks = torch.ones(4, 1, 5, 5)
    loss = resolve_loss("auto", output=output, target=masks, graph=graph)
    close(loss(output, masks).bits, torch.full((4,), F.softplus(torch.tensor(-0.5)).item() / BIT))


def test_several_labels_a_sample():
    logits, labels = torch.randn(8, 4), (torch.rand(8, 4) > 0.5).float()
    labels[0] = 1.0
    loss = resolve_loss("auto", output=logits, target=labels)
    each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1)
    close(loss(logits, labels).bits, each / BIT)
    assert loss.kind == "binary"


def test_a_certain_and_wrong_probability_costs_100_nats_as_in_torch():
    chances, labels = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
    with pytest.warns(LossWarning, match="between 0 and 1"):
        loss = resolve_loss("auto", output=chances, target=labels)
    close(loss(chances, labels).bits, torch.tensor([100.0 / BIT, 0.0]))


# ---------------------------------------------------------------------------- tokens


def test_a_target_equal_to_the_input_tokens_is_shifted():
    ids, logits = torch.randint(0, 11, (3, 6)), torch.randn(3, 6, 11)
    call = Arguments((ids,))
    each = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none").mean(1)
    for target in (ids.clone(), None):
        if target is None:
            with pytest.warns(LossWarning, match="input token t . 1"):
                loss = resolve_loss("auto", output=logits, target=None, call=call)
        else:
            with pytest.warns(LossWarning, match="position t"):
                loss = resolve_loss("auto", output=logits, target=target, call=call)
        found = loss(logits, target, call)
        close(found.bits, each / BIT)
        assert found.labels.tolist() == [5.0] * 3
        assert (loss.kind, loss.per) == ("next_token", "token")


def test_a_target_that_is_shifted_already_is_not_shifted_again():
    text = torch.randint(0, 11, (3, 7))
    ids, target, logits = text[:, :-1], text[:, 1:], torch.randn(3, 6, 11)
    loss = resolve_loss("auto", output=logits, target=target, call=Arguments((ids,)))
    each = F.cross_entropy(logits.transpose(1, 2), target, reduction="none").mean(1)
    close(loss(logits, target, Arguments((ids,))).bits, each / BIT)
    assert loss.kind == "next_token"


def test_masked_tokens_alone_count():
    ids, logits = torch.randint(0, 11, (3, 6)), torch.randn(3, 6, 11)
    labels = torch.full((3, 6), -100)
    labels[:2, 2] = (ids[:2, 2] + 1) % 11
    labels[0, 4] = (ids[0, 4] + 1) % 11
    loss = resolve_loss("auto", output=logits, target=labels, call=Arguments((ids,)))
    found = loss(logits, labels, Arguments((ids,)))
    each = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    assert loss.kind == "masked"
    assert found.labels.tolist() == [2.0, 1.0, 0.0]
    close(found.bits * found.labels, each.sum(1) / BIT)


def test_a_label_for_every_token_is_no_next_token():
    ids, logits = torch.randint(0, 50, (3, 6)), torch.randn(3, 6, 4)
    tags = torch.randint(0, 4, (3, 6))
    loss = resolve_loss("auto", output=logits, target=tags, call=Arguments((ids,)))
    each = F.cross_entropy(logits.transpose(1, 2), tags, reduction="none").mean(1)
    close(loss(logits, tags).bits, each / BIT)
    assert (loss.kind, loss.per) == ("cross_entropy", "token")


# ---------------------------------------------------------------------------- the rest


def test_a_regression_is_a_gaussian_whose_ratio_drops_the_variance():
    values, truth = torch.randn(9, 2), torch.randn(9, 2)
    loss = resolve_loss("auto", output=values, target=truth)
    assert (loss.kind, loss.is_ratio) == ("regression", True)
    each = (values - truth).square().mean(1)
    close(loss(values, truth).bits, each / (2 * BIT * each.mean()))


def test_the_models_own_loss_is_taken_sample_by_sample():
    output = {"loss": torch.tensor([0.5, 1.5]), "boxes": torch.randn(2, 4)}
    with pytest.warns(LossWarning, match="model's own"):
        loss = resolve_loss("auto", output=output, target=None)
    close(loss(output, None).bits, torch.tensor([0.5, 1.5]) / BIT)


def test_one_loss_for_a_batch_is_refused_and_taken_for_a_batch_of_one():
    one = (torch.tensor(0.5), torch.randn(1, 4))
    with pytest.warns(LossWarning, match="model's own"):
        loss = resolve_loss("model", output=one, target=None)
    close(loss(one, None).bits, torch.tensor([0.5]) / BIT)
    with pytest.raises(ArgumentError, match=r"1 loss for 2 samples.*batches of one sample"):
        resolve_loss("model", output=(torch.tensor(0.5), torch.randn(2, 4)), target=None)


def test_a_function_of_the_callers_own_is_in_nats():
    def hinge(output, target):
        return (output - target).abs().mean(1)

    output, target = torch.randn(5, 3), torch.randn(5, 3)
    loss = resolve_loss(hinge, output=output, target=target)
    close(loss(output, target).bits, hinge(output, target) / BIT)
    close(loss.total(output, target), hinge(output, target).sum())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda o, t: o.mean(), r"shape \(4,\), got float32 of shape \(\)"),
        (lambda o, t: 1.0, r"shape \(4,\), got float"),
        (lambda o, t: o[:, 0] / 0, "must be finite"),
    ],
)
def test_a_function_that_gives_no_number_a_sample_is_refused(function, message):
    output = torch.rand(4, 2) + 1
    with pytest.raises(ArgumentError, match=message):
        resolve_loss(function, output=output, target=None)


@pytest.mark.parametrize(
    ("output", "target", "message"),
    [
        (torch.randn(4, 3), torch.tensor([0, 1, 2, 3]), "0 to 2.*got 3"),
        (torch.randn(4, 3), torch.tensor([0, -1, 2, 1]), "0 to 2.*got -1"),
        (torch.randn(4, 3), None, "cannot be guessed.*no target.*'cross_entropy', 'binary'"),
        (torch.randn(4, 3), torch.randn(4, 7), r"cannot be guessed.*\(4, 7\).*'regression'"),
        (torch.full((4, 3), math.nan), torch.tensor([0, 1, 2, 2]), "must be finite"),
        ({"count": 3}, None, "holds no tensor"),
    ],
)
def test_what_cannot_be_scored_gets_a_sentence(output, target, message):
    with pytest.raises((ArgumentError, TargetError), match=re.compile(message, re.DOTALL)):
        resolve_loss("auto", output=output, target=target)


def test_a_loss_of_another_name_is_refused_with_the_choices():
    with pytest.raises(ArgumentError, match=r"'auto', 'cross_entropy'.*function.*got 'mse'"):
        resolve_loss("mse", output=torch.zeros(2, 2), target=torch.zeros(2, 2))


def test_masks_of_0_and_255_are_told_to_divide():
    logits, masks = torch.randn(2, 1, 3, 3), torch.tensor([0.0, 255.0]).repeat(9).view(2, 1, 3, 3)
    with pytest.raises(TargetError, match=r"got 0 and 255. Divide them by 255"):
        resolve_loss("auto", output=logits, target=masks)


@pytest.mark.parametrize("kind", ["cross_entropy", "binary", "regression", "next_token"])
def test_gradients_of_the_total_are_those_of_torch(kind):
    ids = torch.randint(0, 5, (3, 4))
    output, target = {
        "cross_entropy": (torch.randn(6, 5), torch.randint(0, 5, (6,))),
        "binary": (torch.randn(6, 1, 4, 4), torch.ones(6, 1, 4, 4)),
        "regression": (torch.randn(6, 2), torch.randn(6, 2)),
        "next_token": (torch.randn(3, 4, 5), ids),
    }[kind]
    output.requires_grad_()
    with pytest.warns(LossWarning) if kind == "next_token" else _nothing():
        loss = resolve_loss(kind, output=output, target=target, call=Arguments((ids,)))
    (found,) = torch.autograd.grad(loss.total(output, target), output)
    variance = float((output.detach() - target).square().mean()) if kind == "regression" else 1.0
    wanted = {
        "cross_entropy": lambda: F.cross_entropy(output, target, reduction="sum"),
        "binary": lambda: F.binary_cross_entropy_with_logits(output, target, reduction="sum"),
        "regression": lambda: (output - target).square().sum() / (2 * variance),
        "next_token": lambda: F.cross_entropy(
            output[:, :-1].transpose(1, 2), target[:, 1:], reduction="sum"
        ),
    }[kind]()
    torch.testing.assert_close(found, torch.autograd.grad(wanted, output)[0])


class _nothing:  # noqa: N801
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


# ---------------------------------------------------------------------------- drawn labels


def test_drawn_classes_follow_the_prediction():
    logits = torch.tensor([[0.0, math.log(3.0)]]).repeat(40_000, 1)
    loss = resolve_loss("auto", output=logits, target=torch.zeros(40_000, dtype=torch.int64))
    drawn = loss.draw_labels(logits, torch.Generator().manual_seed(0))
    assert abs(float(drawn.double().mean()) - 0.75) < 5 * math.sqrt(0.75 * 0.25 / 40_000)


def test_drawn_labels_have_a_mean_loss_of_the_entropy_and_a_gradient_of_mean_zero():
    logits = torch.randn(1, 4).repeat(30_000, 1).requires_grad_()
    loss = resolve_loss("auto", output=logits, target=torch.zeros(30_000, dtype=torch.int64))
    drawn = loss.draw_labels(logits, torch.Generator().manual_seed(1))
    entropy = torch.distributions.Categorical(logits=logits[0].detach()).entropy()
    assert abs(float(loss(logits, drawn).bits.mean()) * BIT - float(entropy)) < 0.03
    (slope,) = torch.autograd.grad(loss.total(logits, drawn), logits)
    assert slope.mean(0).abs().max() < 0.02


def test_drawn_values_of_a_regression_have_the_residual_variance():
    values, truth = torch.zeros(20_000, 1), 3 * torch.randn(20_000, 1)
    loss = resolve_loss("auto", output=values, target=truth)
    drawn = loss.draw_labels(values, torch.Generator().manual_seed(0))
    assert abs(float(drawn.var() / truth.var()) - 1) < 0.05


def test_drawn_masks_are_taken_by_the_loss():
    logits = torch.randn(3, 1, 4, 4)
    loss = resolve_loss("auto", output=logits, target=torch.ones(3, 1, 4, 4))
    drawn = loss.draw_labels(logits, torch.Generator().manual_seed(0))
    assert drawn.shape == logits.shape
    assert set(drawn.unique().tolist()) <= {0, 1}
    assert loss(logits, drawn).labels.tolist() == [16.0] * 3


def test_no_label_is_drawn_for_a_function():
    loss = resolve_loss(lambda o, t: o.sum(1), output=torch.zeros(2, 2), target=None)
    with pytest.raises(ArgumentError, match="No label can be drawn"):
        loss.draw_labels(torch.zeros(2, 2))


# ---------------------------------------------------------------------------- properties


@given(st.integers(1, 6), st.integers(2, 7), st.floats(-5, 5), st.integers(0, 2**31))
def test_a_constant_added_to_all_logits_changes_nothing(rows, classes, constant, seed):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=draw, dtype=torch.float64)
    labels = torch.randint(0, classes, (rows,), generator=draw)
    loss = resolve_loss("cross_entropy", output=logits, target=labels)
    torch.testing.assert_close(loss(logits, labels).bits, loss(logits + constant, labels).bits)


@given(st.integers(2, 9), st.integers(0, 2**31))
def test_a_batch_that_is_split_costs_the_same(rows, seed):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 3, 4, 4, generator=draw)
    maps = torch.randint(0, 3, (rows, 4, 4), generator=draw)
    loss = resolve_loss("auto", output=logits, target=maps)
    parts = [loss(logits[i : i + 1], maps[i : i + 1]) for i in range(rows)]
    torch.testing.assert_close(loss(logits, maps).bits, torch.cat([part.bits for part in parts]))
    torch.testing.assert_close(
        loss(logits, maps).labels, torch.cat([part.labels for part in parts])
    )


def test_a_loss_that_reads_another_scale_is_said():
    logits, truth = torch.randn(8), torch.tensor([0.0, 1, 1, 0, 1, 0, 0, 1])
    with pytest.warns(LossWarning, match="BCELoss reads probabilities, and .* taken as logits"):
        loss = resolve_loss(nn.BCELoss(), output=logits, target=truth)
    expected = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    assert torch.allclose(loss(logits, truth).bits, expected.double() / math.log(2))
