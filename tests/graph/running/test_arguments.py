"""Inputs and outputs as people have them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.graph.running.arguments import Arguments, as_arguments, holds_samples
from infoflow.graph.running.pytree import leaves_of, map_tensors, tensors_in
from infoflow.interface import UnmeasurableWarning


@dataclass
class Scan:
    image: torch.Tensor
    name: str = "scan"


class Pair(NamedTuple):
    one: torch.Tensor
    other: torch.Tensor


class Takes(nn.Module):
    """Adds two linear layers of what ``pick`` finds in its arguments."""

    def __init__(self, pick, wrap=lambda y: y):
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)
        self.pick, self.wrap = pick, wrap

    def forward(self, x=None, *more, **named):
        one, other = self.pick(x, more, named)
        return self.wrap(self.a(one) + self.b(other))


A, B = torch.rand(3, 6), torch.rand(3, 6)

FORMS = {
    "positional": (lambda x, more, named: (x, more[0]), (A, B), None, ("x", "more_0")),
    "keywords": (lambda x, m, named: (x, named["q"]), A, {"q": B}, ("x", "q")),
    "dictionary": (lambda x, m, n: (x["p"], x["q"]), ({"p": A, "q": B},), None, ("x_p", "x_q")),
    "nested": (lambda x, m, n: (x[0], x[1]["q"]), ([A, {"q": B}],), None, ("x_0", "x_1_q")),
    "dataclass": (
        lambda x, m, n: (x.image, n["q"].image), Scan(A), {"q": Scan(B)}, ("x_image", "q_image"),
    ),
    "named tuple": (
        lambda x, m, n: (x.one, x.other), (Pair(A, B),), None, ("x_one", "x_other"),
    ),
    "array": (lambda x, more, n: (x, more[0]), (A.numpy(), B.numpy()), None, ("x", "more_0")),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_inputs_of_every_form(name):
    pick, example, kwargs, inputs = FORMS[name]
    graph = infoflow.trace(Takes(pick), example, kwargs)
    assert graph.inputs == inputs
    assert graph["add"].streams == ("a", "b")
    assert graph.verification.label == "exact"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y,), lambda y: {"logits": y}, lambda y: [None, {"deep": [y, 3]}], Scan,
        lambda y: Pair(y, y), lambda y: (y, "text", object()),
    ],
)  # fmt: skip
def test_outputs_of_every_form(wrap):
    graph = infoflow.trace(Takes(lambda x, m, n: (x, x), wrap), A)
    assert graph.outputs == ("add",)
    assert graph.verification.label == "exact"


def test_token_numbers():
    net = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(20, 2))
    graph = infoflow.trace(net, torch.randint(0, 10, (3, 5)))
    assert [layer.name for layer in graph] == ["0", "2"]
    assert graph.verification.label == "exact"


class Detector(nn.Module):
    """Takes a list of images and gives a list of dictionaries, as torchvision's detectors do."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

    def forward(self, images, targets=None):
        batch = torch.zeros(len(images), 3, 8, 8)
        for place, image in zip(batch, images, strict=True):
            place[:, : image.shape[1], : image.shape[2]].copy_((image - 0.5) / 0.25)
        return [{"score": score} for score in self.head(self.body(batch))]


def test_a_list_of_images_is_one_input_with_a_sample_an_item():
    images = [torch.rand(3, 8, 8), torch.rand(3, 8, 8)]
    graph = infoflow.trace(Detector(), images)
    assert graph.inputs == ("images",)
    assert [layer.streams for layer in graph] == [("images",), ("body",)]
    assert graph.merges == ()
    assert graph.verification.label == "fixed batch"
    assert graph["body"].shape == (4, 6, 6)
    assert graph.values([torch.rand(3, 8, 8)] * 5)["body"].shape == (5, 4, 6, 6)


def test_detectors_can_be_measured():
    loader = [[torch.rand(3, 8, 8) for _ in range(4)] for _ in range(2)]
    net = Detector()
    result = infoflow.analyze(net, loader, noise=9.0, progress=False)
    assert result.layers == ["body", "head"]
    pairs = [(batch, [{"boxes": torch.rand(2, 4)} for _ in batch]) for batch in loader]
    with pytest.warns(UnmeasurableWarning, match="targets are a list of dict"):
        again = infoflow.analyze(net, pairs, noise=9.0, progress=False)
    np.testing.assert_array_equal(result.ixm, again.ixm)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, input_ids, attention_mask=None, labels=None):
        hidden = self.embed(input_ids)
        if attention_mask is not None:
            hidden = hidden * attention_mask[:, :, None]
        return {"logits": self.head(hidden.mean(1))}


def test_batches_with_the_names_of_arguments_are_given_by_name():
    generator = torch.Generator().manual_seed(0)
    loader = [
        {
            "input_ids": torch.randint(0, 9, (4, 5), generator=generator),
            "attention_mask": torch.ones(4, 5),
            "labels": torch.tensor([0, 1, 0, 1]),
            "text": ["not for the model"] * 4,
        }
        for _ in range(2)
    ]
    result = infoflow.analyze(Words(), loader, noise=9.0, progress=False)
    assert result.graph.inputs == ("input_ids", "attention_mask")
    assert result.has_target


# --------------------------------------------------------------------------- parts


def test_leaves_are_found_in_order_and_with_their_way():
    value = {"a": [A, 1], "b": Scan(B)}
    assert [path for path, _ in leaves_of(value)] == [
        ("a", "0"), ("a", "1"), ("b", "image"), ("b", "name"),
    ]  # fmt: skip
    assert [tensor is other for tensor, other in zip(tensors_in(value), (A, B), strict=True)]


@pytest.mark.parametrize("value", [(A, [B]), {"p": A}, Scan(A), Pair(A, B), A])
def test_tensors_are_changed_and_the_form_is_kept(value):
    changed = map_tensors(lambda tensor: tensor + 1, value)
    assert type(changed) is type(value)
    for one, other in zip(tensors_in(value), tensors_in(changed), strict=True):
        torch.testing.assert_close(other, one + 1)


@pytest.mark.parametrize(
    ("value", "is_list"),
    [
        ([torch.rand(3, 8, 8)] * 2, True),
        ([torch.rand(5), torch.rand(7)], True),
        ([{"image": torch.rand(3, 4, 4)}], True),
        ([torch.rand(2, 8, 4, 4), torch.rand(2, 16, 2, 2)], False),
        ([torch.rand(2, 5), torch.rand(2, 5)], False),
        (A, False),
        ([], False),
    ],
)
def test_lists_with_a_sample_an_item(value, is_list):
    assert holds_samples(value) == is_list


def test_samples_of_a_call():
    model = nn.Linear(6, 4)
    assert as_arguments(model, A).samples == 3
    assert Arguments(([torch.rand(3, 8, 8)] * 5,)).samples == 5
    assert Arguments(([torch.rand(2, 8, 4, 4), torch.rand(2, 16, 2, 2)],)).samples == 2
    half = Arguments((A,), {"scale": torch.ones(1), "mask": B}).select(slice(0, 2))
    assert [len(t) for t in (half.args[0], half.kwargs["scale"], half.kwargs["mask"])] == [2, 1, 2]


class Levels(nn.Module):
    """Takes sequences of several levels, (N, L, D) each, in one list."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, levels):
        return self.head(torch.cat([self.body(level) for level in levels], 1).mean(1))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_sequences_in_a_list_are_no_images_where_there_are_targets(size):
    """A batch of 1, 3 or 4 sequences has the shape of an image; the last batch is smaller."""
    torch.manual_seed(0)
    net, sizes = Levels().eval(), [size] * 4 + [1]
    loader = [
        ([torch.rand(n, 7, 4), torch.rand(n, 5, 4)], (torch.rand(n) < 0.5).long()) for n in sizes
    ]
    result = infoflow.analyze(net, loader, noise=0.1, progress=False)
    with torch.no_grad():
        values = torch.cat([net(levels) for levels, _ in loader])
    assert int(result.dataset["samples"][0]) == sum(sizes)
    wanted = infoflow.estimate(values, noise=0.1).ixm
    assert result.ixm.sel(layer="head").item() == pytest.approx(wanted, abs=1e-5)


def test_a_list_for_a_model_of_several_arguments_is_one_of_columns():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(8, 2)

        def forward(self, one, other):
            return self.head(torch.cat([one, other], 1))

    loader = [([torch.rand(3, 4), torch.rand(3, 4)], torch.arange(3)) for _ in range(3)]
    assert infoflow.analyze(Two(), loader, progress=False).graph.inputs == ("one", "other")


class Sums(nn.Module):
    """Adds a linear layer of each of several sequences."""

    def __init__(self):
        super().__init__()
        self.each, self.first = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, several):
        return sum(self.each(one) for one in several) + self.first(several[0])


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_list_of_batches_means_the_same_for_every_length(rows, length):
    batches = [torch.randn(rows, 6, 8) for _ in range(length)]
    graph = infoflow.trace(Sums(), batches)
    assert graph.inputs == tuple(f"several_{number}" for number in range(length))
    assert graph["first"].shape == (6, 3)
    assert graph.values(batches)["first"].shape == (rows, 6, 3)
