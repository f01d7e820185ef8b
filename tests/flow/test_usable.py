"""Streams whose usable information is known by how the net and its data are made."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import MemoryBudgetError, UnmeasurableWarning


class TwoArms(nn.Module):
    """The arms read other channels of the image and meet in a concatenation."""

    def __init__(self):
        super().__init__()
        self.deep = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))
        self.short = nn.Conv2d(1, 1, 1)
        self.head = nn.Conv2d(2, 1, 1)

    def forward(self, image):
        return self.head(torch.cat([self.deep(image[:, :1]), self.short(image[:, 1:])], 1))


def loader_of(images, target, batch=7):
    return list(zip(images.split(batch), target.split(batch), strict=True))


def test_a_stream_that_carries_all_and_one_that_carries_nothing():
    masks = (torch.rand(28, 8, 8) < 0.5).long()
    images = torch.stack([torch.randn(28, 8, 8), masks.float()], 1)
    found = infoflow.usable_streams(TwoArms(), loader_of(images, masks), folds=2, progress=False)
    rows = {row.source: row for row in found.rows}
    assert found.unit == "bits per pixel"
    assert rows["deep.1"].is_main
    assert not rows["short"].is_main
    assert rows["short"].added.value == pytest.approx(1.0, abs=0.05)
    assert rows["short"].alone.value == pytest.approx(1.0, abs=0.05)
    assert abs(rows["deep.1"].alone.value) < 0.02
    assert abs(rows["deep.1"].added.value) < 0.03
    assert rows["deep.1"].rest == rows["short"].alone


def test_what_both_streams_carry_is_unique_to_neither():
    masks = (torch.rand(40, 8, 8) < 0.5).long()
    images = torch.stack([masks.float(), masks.float()], 1)
    found = infoflow.usable_streams(
        TwoArms(), loader_of(images, masks), family="linear", progress=False
    )
    for row in found.rows:
        assert row.alone.value == pytest.approx(1.0, abs=0.05)
        assert row.added.value == pytest.approx(0.0, abs=0.01)
        assert row.added.ci_low <= 0.0 + 0.01


def test_classes_given_as_an_array_and_streams_that_are_inputs():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return x + self.layer(x)

    x = torch.randn(200, 2)
    labels = (x[:, 0] > 0).long()
    found = infoflow.usable_streams(
        Gate(), [x[:100], x[100:]], target=labels, folds=2, progress=False
    )
    rows = {row.source: row for row in found.rows}
    assert set(rows) == {"x", "layer"}
    assert found.unit == "bits per label"
    assert rows["x"].alone.value > 0.7
    assert abs(rows["x"].added.value) < 0.1


def test_table_and_dataset_hold_the_same_numbers(unet, loader):
    found = infoflow.usable_streams(
        unet,
        loader,
        family="linear",
        pixels=8,
        merges=["decoder.0.0", "decoder.3.0"],
        progress=False,
    )
    dataset = found.dataset
    assert dataset.sizes["stream"] == 4
    assert dataset["added"].attrs["units"] == "bits per pixel"
    values = [row.added.value for row in found.rows]
    np.testing.assert_array_equal(dataset["added"], values)
    np.testing.assert_allclose(dataset["added"], dataset["joint"] - dataset["rest"], atol=1e-12)
    assert bool((dataset["added_ci_low"] <= dataset["added_ci_high"]).all())
    lines = str(found).splitlines()
    assert len(lines) == 2 + 2 + 4
    assert f"{values[0]:.3f}" in lines[4]


def test_the_model_and_the_random_state_stay_as_they_were(unet, loader):
    unet.train()
    before = [weight.clone() for weight in unet.parameters()]
    state = torch.get_rng_state()
    infoflow.usable_streams(
        unet, loader, pixels=2, merges=["decoder.3.0"], family="mlp", progress=False
    )
    assert unet.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(before, unet.parameters(), strict=True))


def test_wrong_input_gets_one_clear_sentence(unet, loader, blobs):
    images = blobs.tensors[0]
    with pytest.raises(ValueError, match="has no merges"):
        infoflow.usable_streams(nn.Linear(2, 2), [(torch.randn(20, 2), torch.arange(20) % 2)])
    with pytest.raises(ValueError, match="merges must be names of merges, such as decoder"):
        infoflow.usable_streams(unet, loader, merges=["bottom"])
    with pytest.raises(ValueError, match="batches hold inputs only"):
        infoflow.usable_streams(unet, [images])
    with pytest.raises(ValueError, match=r"target > 0\.5 for soft masks"):
        infoflow.usable_streams(unet, [(images, images[:, :1])])
    with pytest.raises(ValueError, match="family must be one of"):
        infoflow.usable_streams(unet, loader, family="tree")


@pytest.mark.parametrize(
    ("is_dense", "words"),
    [
        # 20 samples: each stream of the merge has 4 channels of 32×32; a 3×3 reads 9 places
        (True, r"decoder\.3\.0: 200 rows of 72 features need 231 kB.* fewer pixels="),
        (False, r"decoder\.3\.0: 20 rows of 8,192 features need 2\.63 MB.* reduce='mean'"),
    ],
)
def test_a_budget_without_room_for_a_merge_is_refused_before_any_fit(unet, blobs, is_dense, words):
    images, masks = blobs.tensors
    target = masks if is_dense else torch.arange(20) % 2
    loader = list(zip(images.split(10), target.split(10), strict=True))
    given = {"merges": ["decoder.3.0"], "pixels": 10, "memory_budget": "200 kB"}
    with pytest.raises(MemoryBudgetError, match=words):
        infoflow.usable_streams(unet, loader, progress=False, **given)


class Centred(nn.Module):
    """One stream of its sum mixes the samples of a batch."""

    def __init__(self):
        super().__init__()
        self.start, self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 4), nn.Linear(8, 4)
        self.head, self.side = nn.Linear(4, 2), nn.Linear(8, 4)

    def forward(self, x):
        x = self.start(x).relu()
        a = self.a(x)
        return self.head(a - a.mean(0, keepdim=True) + self.b(x)), self.b(x) + self.side(x)


def test_a_stream_without_rows_takes_away_its_own_merge_alone():
    torch.manual_seed(1)
    x = torch.randn(60, 6)
    model, loader = Centred(), [(x, (x[:, 0] > 0).long())]
    with pytest.warns(UnmeasurableWarning):
        result = infoflow.analyze(model, loader, progress=False, noise=10.0)
    advice = infoflow.suggest_pruning(result, reading="paper")
    about = [row for row in advice if "has no row per sample" in row.redesign.reason]
    assert about
    assert all(row.redesign.verdict == "cannot tell" for row in about)
    with pytest.warns(UnmeasurableWarning, match="1 of 2 merges have a stream without a row"):
        found = infoflow.usable_streams(model, loader, progress=False, folds=2)
    assert {row.merge for row in found.rows} == {"add:2"}
    together = infoflow.suggest_pruning(result, usable=found)
    assert "small probe" in str(together)
