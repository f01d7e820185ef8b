"""Streams whose usable information is known by how the net and its data are made."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import BudgetWarning, MemoryBudgetError, UnmeasurableWarning


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


def test_a_budget_that_holds_fewer_pixels_takes_these_and_says_so(unet, blobs):
    # 20 samples: each stream of the merge has 4 channels of 32×32; a 3×3 reads 9 places
    images, masks = blobs.tensors
    loader = list(zip(images.split(10), masks.split(10), strict=True))
    given = {"merges": ["decoder.3.0"], "pixels": 10, "folds": 2, "progress": False}
    with pytest.warns(BudgetWarning, match=r"200 kB holds 8 of 10 pixels of .* decoder\.3\.0"):
        found = infoflow.usable_streams(unet, loader, memory_budget="200 kB", **given)
    assert "at 8 random pixels" in found.rows[0].joint.kind
    with pytest.warns(BudgetWarning, match="holds 4 of 10 pixels and 12 of 20 samples"):
        found = infoflow.usable_streams(unet, loader, memory_budget="60 kB", **given)
    assert found.rows[0].joint.samples == 12
    with pytest.raises(MemoryBudgetError, match="does not hold 4 samples of the streams into"):
        infoflow.usable_streams(unet, loader, memory_budget="2 kB", **given)


def test_pixels_and_samples_that_are_left_out_leave_the_rest_as_it_is():
    """Places and values of the samples that are read must belong together: the mask is known."""
    masks = (torch.rand(28, 8, 8) < 0.5).long()
    images = torch.stack([torch.randn(28, 8, 8), masks.float()], 1)
    given = {"family": "linear", "folds": 2, "progress": False, "memory_budget": 2_600}
    with pytest.warns(BudgetWarning, match="4 of 64 pixels and 20 of 28 samples"):
        found = infoflow.usable_streams(TwoArms(), loader_of(images, masks), **given)
    rows = {row.source: row for row in found.rows}
    assert rows["short"].alone.value == pytest.approx(1.0, abs=0.1)
    assert abs(rows["deep.1"].alone.value) < 0.05


def test_wide_streams_of_labels_are_sketched_where_the_budget_does_not_hold_them():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(4, 3000), nn.Linear(4, 3000)

        def forward(self, x):
            return self.one(x[:, :4]) + self.other(x[:, 4:])

    torch.manual_seed(0)
    x = torch.randn(120, 8)
    labels = (x[:, 0] > 0).long()
    loader = [(x[:50], labels[:50]), (x[50:], labels[50:])]
    whole = infoflow.usable_streams(Wide(), loader, folds=2, progress=False)
    with pytest.warns(BudgetWarning, match="holds 1,194 random sums of the units"):
        few = infoflow.usable_streams(Wide(), loader, folds=2, progress=False, memory_budget="5 MB")
    for known, found in zip(whole.rows, few.rows, strict=True):
        assert found.alone.value == pytest.approx(known.alone.value, abs=0.05)
        assert found.joint.value == pytest.approx(known.joint.value, abs=0.05)
    assert max(row.alone.value for row in few.rows) > 0.6


def test_all_merges_are_read_in_one_pass_where_the_budget_holds_them(unet, blobs):
    images, masks = blobs.tensors
    passes = []

    class Counted(list):
        def __iter__(self):
            passes.append(1)
            return super().__iter__()

    loader = Counted(zip(images.split(10), masks.split(10), strict=True))
    given = {"family": "linear", "pixels": 4, "folds": 2, "progress": False}
    at_once = infoflow.usable_streams(unet, loader, **given)
    once = len(passes)
    # the streams of decoder.0.0 have 64 channels together, 20 kB for 80 rows, 82 kB with the fit
    in_parts = infoflow.usable_streams(unet, loader, memory_budget="85 kB", **given)
    assert once < len(passes) - once
    np.testing.assert_allclose(in_parts.dataset["added"], at_once.dataset["added"], atol=1e-9)


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
