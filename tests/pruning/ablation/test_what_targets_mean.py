"""What the targets of all batches mean together, and outputs that are no plain scores."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

import infoflow
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError, InfoflowError, TargetError
from infoflow.pruning.ablation.losses import LossWarning, resolve_loss
from infoflow.pruning.ablation.metrics import resolve_metric
from infoflow.pruning.ablation.target_facts import TargetFacts
from tests.pruning.ablation.nets import Residual, clusters, loader

QUICK = {"mend": None, "sets": None, "progress": False}


class Ending(nn.Module):
    """A residual net with something behind its scores."""

    def __init__(self, end, classes=1):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.end = Residual(width=4, classes=classes), end

    def forward(self, x):
        return self.end(self.net(x))


class Maps(nn.Module):
    """A score for each class and pixel."""

    def __init__(self, classes):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.branch = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1)
        self.head = nn.Conv2d(3, classes, 1)

    def forward(self, x):
        value = self.stem(x).relu()
        return self.head(value + self.branch(value).relu())


def ablated(net, inputs, targets, batch=50, **options):
    held_out = loader(inputs, targets, batch)
    return infoflow.ablate(net.eval(), held_out, **{**QUICK, "streams": _first(net), **options})


def _first(net):
    return "#1->#2" if isinstance(net, Maps) else "all"


@pytest.fixture(scope="module")
def points():
    return clusters(120)


@pytest.fixture(scope="module")
def images():
    draw = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 3, (120, 3, 3), generator=draw)
    return torch.randn(120, 2, 3, 3, generator=draw), classes


# ------------------------------------------------------------------- what no first batch shows


def test_void_pixels_after_the_first_batch_are_left_out_with_a_warning(images):
    inputs, classes = images[0], images[1].clone()
    classes[60:, 0] = 255
    with pytest.warns(LossWarning, match="labels 255 are left out"):
        ablated(Maps(3), inputs, classes)


def test_counts_whose_first_batch_holds_0_and_1_are_a_regression(points):
    counts = torch.arange(120) % 2
    counts[60:] = torch.arange(60) % 5
    found = ablated(Ending(nn.Flatten(0)), points[0], counts)
    assert found.dataset.attrs["loss"] == "regression"


def test_several_labels_whose_first_batch_has_one_each_are_binary(points):
    labels = F.one_hot(points[1], 3).float()
    labels[60:, 0] = 1
    found = ablated(Ending(nn.Identity(), classes=3), points[0], labels)
    assert found.dataset.attrs["loss"] == "binary"


def test_the_range_of_psnr_is_that_of_all_targets():
    target, later = torch.rand(4, 5), 200 * torch.rand(4, 5)
    facts = TargetFacts.of(target).joined(TargetFacts.of(later))
    loss = resolve_loss("regression", output=target + 0.1, target=target)
    of_all = resolve_metric("psnr", loss=loss, target=target, facts=facts)
    assert of_all.per_sample(target + 0.1, target).mean() == pytest.approx(68.13, abs=0.01)


def test_many_numbers_keep_their_ends_only():
    facts = TargetFacts.of(torch.linspace(-3, 7, 50_000))
    assert facts.numbers.tolist() == [-3, 7]
    assert not facts.is_whole
    assert TargetFacts.of(torch.arange(20_000)).is_whole


# ------------------------------------------------------------------------- signs, bytes, shares


@pytest.mark.parametrize("kind", [torch.float32, torch.int64, torch.int8])
def test_labels_of_minus_1_and_1_are_a_yes_or_no_and_it_is_said(kind):
    logits, labels = torch.randn(8), torch.tensor([-1, 1] * 4).to(kind)
    with pytest.warns(LossWarning, match="-1 and 1 are taken for no and yes"):
        loss = resolve_loss("auto", output=logits, target=labels)
    found = loss(logits, labels)
    wanted = F.soft_margin_loss(logits, labels.float(), reduction="none") / torch.log(
        torch.tensor(2.0)
    )
    torch.testing.assert_close(found.bits, wanted.double(), rtol=1e-5, atol=1e-6)
    totals = loss.constant_totals(labels)
    assert totals.flatten().tolist() == [4, 4]


def test_minus_1_in_a_signed_byte_is_void_as_255_was(images):
    inputs, classes = images[0], images[1].clone()
    classes[:, 0] = 255
    signed = classes.to(torch.uint8).view(torch.int8)
    with pytest.warns(LossWarning, match="labels -1 are left out"):
        found = ablated(Maps(3), inputs, signed)
    with pytest.warns(LossWarning, match="labels 255 are left out"):
        plain = ablated(Maps(3), inputs, classes)
    assert found.dataset["bits"].equals(plain.dataset["bits"])


def test_156_in_a_byte_is_not_taken_for_minus_100():
    logits, masks = torch.randn(2, 1, 2, 2), torch.tensor([0, 1, 1, 156], dtype=torch.uint8)
    masks = masks.view(1, 1, 2, 2).repeat(2, 1, 1, 1)
    with pytest.warns(LossWarning, match="whole numbers are values"):
        assert resolve_loss("auto", output=logits, target=masks).kind == "regression"


@pytest.mark.parametrize("classes", [1, 3])
def test_classes_over_255_are_refused_with_the_factor(images, classes):
    with pytest.raises(TargetError, match=r"multiples of 1/255.*\(255 \* target\)"):
        ablated(Maps(classes), images[0], images[1][:, None] / 255)


@pytest.mark.parametrize(("classes", "number"), [(1, 255), (3, 255), (3, -100)])
def test_masks_without_any_label_say_so(images, classes, number):
    empty = torch.full((120, 3, 3), number)
    with pytest.raises(TargetError, match=f"got {number} everywhere"):
        ablated(Maps(classes), images[0], empty)


def test_labels_that_most_samples_lack_are_what_is_asked_for(images):
    classes = images[1].clone()
    classes[40:] = 255
    wanted = pytest.raises(ArgumentError, match=r"64 samples with a label.*without any")
    with pytest.warns(LossWarning), wanted:
        ablated(Maps(3), images[0], classes)


# ---------------------------------------------------------------------- what the model returns


def test_class_numbers_as_predictions_are_refused(points):
    net = Ending(lambda scores: scores.argmax(1).float(), classes=3)
    with pytest.raises(ArgumentError, match="as an argmax gives"):
        ablated(net, *points)
    with pytest.raises(ArgumentError, match="Return scores and no argmax"):
        ablated(Ending(lambda scores: scores.argmax(1), classes=3), *points)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda y: {"aux": y, "main": 2 * y}, r"\(aux, main\), and aux is taken"),
        (lambda y: (y, 2 * y), "the first, of shape"),
        (lambda y: [{"deep": y, "deeper": y}], "0.deep"),
    ],
)
def test_the_first_of_several_predictions_is_taken_with_a_warning(points, wrap, said):
    output, labels = wrap(torch.randn(5, 3)), torch.tensor([0, 1, 2, 0, 1])
    with pytest.warns(LossWarning, match=f"{said}.*return it as 'logits'"):
        resolve_loss("auto", output=output, target=labels)


def test_a_prediction_with_a_known_name_beside_others_needs_no_warning():
    output = {"hidden": torch.randn(5, 9), "logits": torch.randn(5, 3)}
    resolve_loss("auto", output=output, target=torch.tensor([0, 1, 2, 0, 1]))


def test_a_net_that_squeezes_a_last_batch_of_one_sample(points):
    labels = (points[1] > 0).float()
    squeezed = Ending(lambda y: y.squeeze())
    wanted = ablated(Ending(lambda y: y.squeeze(1)), points[0], labels, 17, metric="accuracy")
    found = ablated(squeezed, points[0], labels, 17, metric="accuracy")
    torch.testing.assert_close(
        torch.from_numpy(found.dataset["bits"].values),
        torch.from_numpy(wanted.dataset["bits"].values),
        equal_nan=True,
    )
    with pytest.raises(ArgumentError, match=r"squeeze.*batches of two samples or more"):
        ablated(squeezed, points[0], labels, 1)


class Lossy(nn.Module):
    """Returns its loss only."""

    def __init__(self, wrap, reduction="mean"):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.wrap, self.reduction = Residual(width=4), wrap, reduction

    def forward(self, x, labels=None):
        return self.wrap(F.cross_entropy(self.net(x), labels, reduction=self.reduction))


def lossy(net, points, size=40, **options):
    inputs, labels = points
    batches = [
        {"x": inputs[i : i + size], "labels": labels[i : i + size]} for i in range(0, 120, size)
    ]
    return infoflow.ablate(net.eval(), batches, unpack=lambda b: (b, None), **QUICK, **options)


WRAPS = [lambda y: y, lambda y: (y,), lambda y: {"loss": y}]


@pytest.mark.parametrize("wrap", WRAPS, ids=["tensor", "tuple", "dictionary"])
def test_a_model_that_returns_only_its_loss(points, wrap):
    found = lossy(Lossy(wrap, "none"), points, loss="model")
    assert found.dataset.attrs["unit"] == "bits per sample"
    output, call = wrap(torch.tensor([0.5, 1.5])), Arguments((torch.zeros(2, 4),))
    bits = resolve_loss("model", output=output, target=None, call=call)(output, None, call).bits
    torch.testing.assert_close(bits * math.log(2), torch.tensor([0.5, 1.5]).double())
    with pytest.raises(ArgumentError, match=r"1 loss for 40 samples.*reduction='none'"):
        lossy(Lossy(wrap), points)


def test_a_number_a_sample_of_a_model_with_labels_may_be_a_loss(points):
    with pytest.raises(ArgumentError, match="loss='model' for a loss"):
        lossy(Lossy(lambda y: y, "none"), points)
    with pytest.warns(LossWarning, match="returns its loss only"):
        lossy(Lossy(lambda y: {"loss": y}, "none"), points)


def test_one_loss_for_each_batch_of_one(points):
    output, call = torch.tensor(0.5), Arguments((torch.zeros(1, 4), torch.tensor([1])))
    assert resolve_loss("model", output=output, target=None, call=call).kind == "model"


# -------------------------------------------------------------------------------------- tokens


class Reader(nn.Module):
    """Scores tokens; one that is not causal sees the next token."""

    def __init__(self, is_causal):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(11, 4), nn.Linear(4, 11)
        self.is_causal = is_causal

    def forward(self, ids):
        value = self.table(ids)
        sums = value.cumsum(1) if self.is_causal else value.sum(1, keepdim=True)
        return self.head(value + sums)


def scored(is_causal, labels=None):
    ids = torch.randint(0, 11, (4, 6), generator=torch.Generator().manual_seed(0))
    net = Reader(is_causal).eval()
    graph = infoflow.trace(net, ids)
    target = None if labels is None else labels(ids)
    with torch.no_grad():
        return resolve_loss(
            "auto", output=net(ids), target=target, call=Arguments((ids,)), graph=graph
        )


@pytest.mark.parametrize("labels", [None, lambda ids: ids.clone()], ids=["without", "unmasked"])
def test_a_net_that_reads_both_sides_is_not_judged_by_the_next_token(labels):
    with pytest.raises(ArgumentError, match=r"both sides.*DataCollatorForLanguageModeling"):
        scored(False, labels)
    with pytest.warns(LossWarning):
        assert scored(True, labels).kind == "next_token"


def test_masked_labels_of_a_net_that_reads_both_sides():
    def labels(ids):
        found = torch.full_like(ids, -100)
        found[:, 2] = (ids[:, 2] + 1) % 11
        return found

    assert scored(False, labels).kind == "masked"


# ------------------------------------------------------------------------------------- metrics


def test_psnr_of_one_value_a_sample(points):
    net = Ending(nn.Flatten(0))
    found = ablated(net, points[0], torch.randn(120), metric="psnr")
    assert found.dataset.attrs["metric"] == "psnr"


def test_psnr_of_classes_is_refused(points):
    with pytest.raises(InfoflowError, match="metric='psnr' compares values"):
        ablated(Ending(nn.Identity(), 3), *points, metric="psnr")


def test_labels_that_are_missing_are_asked_for(points):
    unlabelled = DataLoader(points[0], batch_size=50)
    with pytest.raises(ArgumentError, match=r"Let the loader give \(inputs, target\) pairs"):
        infoflow.ablate(Ending(nn.Identity(), 3).eval(), unlabelled, **QUICK)


# ------------------------------------------------------------------------------- other members


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_labels_of_minus_1_0_and_1_are_asked_about(kind):
    logits, labels = torch.randn(3, 4), torch.tensor([-1, 0, 1]).repeat(4).view(3, 4).to(kind)
    with pytest.raises(TargetError, match="-1 may mark what has no label"):
        resolve_loss("auto", output=logits, target=labels)
    assert resolve_loss("regression", output=logits, target=labels).kind == "regression"


def test_rows_of_one_label_or_none_are_yes_or_no_and_it_is_said():
    logits, labels = torch.randn(4, 3), F.one_hot(torch.tensor([0, 1, 2, 0]), 3).float()
    labels[3] = 0
    with pytest.warns(LossWarning, match="some have none"):
        assert resolve_loss("auto", output=logits, target=labels).kind == "binary"


@pytest.mark.parametrize("loss", ["auto", "binary", "regression"])
def test_channels_at_the_other_end_are_not_reshaped(loss):
    logits, maps = torch.randn(2, 3, 4, 4), torch.randint(0, 2, (2, 4, 4, 3))
    with pytest.raises(ArgumentError, match=r"\(2, 3, 4, 4\) and a target of shape \(2, 4, 4, 3\)"):
        resolve_loss(loss, output=logits, target=maps)


def test_psnr_of_channels_at_the_other_end_is_refused():
    values = torch.rand(2, 3, 4, 4)
    loss = resolve_loss("regression", output=values, target=values)
    metric = resolve_metric("psnr", loss=loss, target=values)
    with pytest.raises(TargetError, match="permute"):
        metric.per_sample(values, values.movedim(1, -1))


class Helper:
    """Holds a layer where torch does not see it."""

    def __init__(self):
        self.layer = nn.Linear(4, 4)

    def __call__(self, x):
        return self.layer(x)


class Helped(nn.Module):
    """A residual net of a layer in a helper object."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head, self.helpers = nn.Linear(4, 4), nn.Linear(4, 3), [Helper()]

    def forward(self, x):
        value = self.stem(x).relu()
        return self.head(value + self.helpers[0](value).relu())


@pytest.mark.parametrize("mend", [None, "reader"])
def test_a_layer_in_a_helper_object_is_ablated_and_screened(points, mend):
    found = infoflow.ablate(
        Helped().eval(), loader(*clusters(240)), mend=mend, sets="frontier", progress=False
    )
    assert found.dataset.sizes["stream"] == 2
    assert not found.dataset["bits"].isnull()[:, 0].any()
