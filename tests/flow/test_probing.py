"""Read-outs whose result is known by how the net and its data are made."""

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.linear_model import LogisticRegression
from torch import nn

import infoflow
from infoflow.estimators.linear import fit_linear
from infoflow.estimators.probe_task import ask
from infoflow.interface import ResultFileError


class Fork(nn.Module):
    """Two layers read other channels of the image, and one reads both at half the size."""

    def __init__(self):
        super().__init__()
        self.noise = nn.Conv2d(1, 2, 1)
        self.mask = nn.Conv2d(1, 2, 1)
        self.small = nn.Conv2d(4, 2, 2, stride=2)

    def forward(self, image):
        arms = [self.noise(image[:, :1]), self.mask(image[:, 1:])]
        return self.small(torch.cat(arms, 1))


class Whole(nn.Module):
    """Flatten, as a layer's reader and not a part of it."""

    def forward(self, maps):
        return maps.flatten(1) + 0 * maps.mean()


def batches(images, target, size=7):
    return list(zip(images.split(size), target.split(size), strict=True))


@pytest.fixture
def fork():
    """Masks of 2×2 blocks, 30 % of them foreground, beside a channel of noise."""
    masks = (torch.rand(40, 4, 4) < 0.3).long().repeat_interleave(2, 1).repeat_interleave(2, 2)
    images = torch.stack([torch.randn(40, 8, 8), masks.float()], 1)
    net = Fork()
    net.small.weight.data[:, :2] = 0.0
    return net, images, masks


def test_a_layer_that_holds_the_mask_has_dice_1_and_one_of_noise_that_of_chance(fork):
    net, images, masks = fork
    found = infoflow.probe(
        net, batches(images, masks), ["dice", "iou", "accuracy"], folds=2, progress=False
    ).dataset
    for layer in ("mask", "small"):
        assert [float(found[name].sel(layer=layer)) for name in ("dice", "iou")] == [1.0, 1.0]
    assert float(found["dice"].sel(layer="noise")) == float(found["dice_chance"]) == 0.0
    share = float((masks == 0).double().mean())
    assert float(found["accuracy"].sel(layer="noise")) == pytest.approx(share)
    assert float(found["accuracy_chance"]) == pytest.approx(share)
    assert np.isnan(found["strength"].sel(layer="noise")).all()


@pytest.mark.parametrize("size", [(8, 8), (4, 4), (16, 16), (6, 5)])
def test_maps_of_any_size_are_read_at_the_places_of_the_fit(size):
    masks = torch.zeros(12, 8, 8, dtype=torch.int64)
    masks[:, :, 4:] = 1
    net = nn.Sequential(nn.Upsample(size), nn.Conv2d(1, 1, 1))
    found = infoflow.probe(net, batches(masks[:, None].float(), masks), folds=2, progress=False)
    assert found.dataset["dice"].item() == (
        1.0 if size[1] % 2 == 0 else pytest.approx(0.9, abs=0.2)
    )


def test_several_classes_are_averaged_without_the_background():
    masks = torch.randint(0, 3, (30, 6, 6))
    images = nn.functional.one_hot(masks, 3).movedim(3, 1).float()
    images[:, 2] = 0.0
    net = nn.Conv2d(3, 3, 1)
    net.weight.data = torch.eye(3)[:, :, None, None]
    found = infoflow.probe(
        nn.Sequential(net), batches(images, masks * 5), ["accuracy", "dice"], progress=False
    )
    # all three are told apart: class 2 is where the other channels are 0
    assert found.dataset["accuracy"].item() == found.dataset["dice"].item() == 1.0


def test_balanced_decisions_find_foreground_where_the_likely_class_is_background():
    masks = (torch.rand(60, 8, 8) < 0.1).long()
    images = masks[:, None].float() + torch.randn(60, 1, 8, 8)
    net, loader = nn.Sequential(nn.Conv2d(1, 1, 1)), batches(images, masks)
    likely, balanced = (
        infoflow.probe(net, loader, decision=decision, folds=2, progress=False)
        .dataset["dice"]
        .item()
        for decision in ("likely", "balanced")
    )
    assert likely < 0.1 < balanced


def test_the_fit_of_labels_is_that_of_scikit_learn():
    features = torch.randn(120, 6, dtype=torch.float64) * torch.arange(1.0, 7.0)
    labels = (features[:, 0] + features[:, 1] > torch.randn(120)).long()
    labels[features[:, 2] > 4] = 2
    question = ask(labels, folds=3)
    split = question.split(0)
    found = fit_linear(features, labels, 3, split)
    seen, held_out = split.training.numpy(), split.held_out.numpy()
    x = features.numpy()
    scaled = (x - x[seen].mean(0)) / x[seen].std(0) / 6**0.5
    model = LogisticRegression(C=found.strength, tol=1e-8, max_iter=1000)
    model.fit(scaled[seen], labels[seen])
    np.testing.assert_allclose(
        found.log_probabilities(features[held_out]).exp(),
        model.predict_proba(scaled[held_out]),
        atol=2e-4,
    )


def test_accuracy_of_labels_is_that_of_scikit_learn_on_pooled_maps():
    labels = torch.arange(80) % 2
    images = torch.randn(80, 3, 5, 5) + 0.3 * labels[:, None, None, None]
    net = nn.Sequential(nn.Conv2d(3, 4, 1), Whole(), nn.Linear(100, 2))
    found = infoflow.probe(net, batches(images, labels), folds=4, progress=False).dataset
    with torch.no_grad():
        pooled = net[0](images).mean(dim=(2, 3)).double().numpy()
    fold = ask(labels, folds=4).fold.numpy()
    for number in range(4):
        seen = fold != number
        mean, spread = pooled[seen].mean(0), 2 * pooled[seen].std(0)
        model = LogisticRegression(C=float(found["strength"].sel(layer="0")[number]), max_iter=200)
        model.fit((pooled[seen] - mean) / spread, labels[seen])
        right = model.score((pooled[~seen] - mean) / spread, labels[~seen])
        assert float(found["accuracy_by_fold"].sel(layer="0")[number]) == pytest.approx(right)
    assert found["features"].values.tolist() == [4, 2]


def test_a_held_out_loader_is_judged_and_never_fitted(fork):
    net, images, masks = fork
    loader, other = batches(images[:20], masks[:20]), batches(images[20:], 1 - masks[20:])
    found = infoflow.probe(net, loader, ["accuracy"], evaluate=other, layers="mask", progress=False)
    assert found.dataset["accuracy"].item() == 0.0
    assert np.isnan(found.dataset["accuracy_sd"].item())
    assert found.dataset.sizes["fold"] == 1
    assert found.dataset.attrs["samples"] == 20
    assert "of other samples" in found.dataset.attrs["kind"]


def test_classes_of_a_held_out_loader_keep_the_numbers_of_training():
    labels = torch.tensor([3, 7, 9]).repeat(20)
    x = torch.eye(3).repeat(20, 1)
    only_two = labels != 3
    found = infoflow.probe(
        nn.Sequential(nn.Linear(3, 3)),
        batches(x, labels),
        evaluate=[(x[only_two], labels[only_two])],
        progress=False,
    )
    assert found.dataset["accuracy"].item() == 1.0


def test_a_small_budget_takes_more_passes_and_gives_the_same_numbers(fork):
    net, images, masks = fork

    class Counted(list):
        passes = 0

        def __iter__(self):
            Counted.passes += 1
            return super().__iter__()

    loader = Counted(batches(images, masks))
    whole = infoflow.probe(net, loader, pixels=16, folds=2, progress=False)
    once = Counted.passes
    one_layer = 4 * 40 * 16 * 2 * 8
    parts = infoflow.probe(net, loader, pixels=16, folds=2, memory_budget=one_layer, progress=False)
    assert Counted.passes - once == once + 4
    xr.testing.assert_identical(whole.dataset, parts.dataset)
    with pytest.raises(ValueError, match=r"does not hold the fit of layer noise.*fewer pixels="):
        infoflow.probe(net, loader, pixels=16, memory_budget=one_layer - 1, progress=False)


def test_the_batch_size_changes_nothing_and_the_seed_does(fork):
    net, images, masks = fork
    images[:, 1] += torch.randn(40, 8, 8)
    one, other, seeded = (
        infoflow.probe(
            net, batches(images, masks, size), seed=seed, pixels=8, folds=2, progress=False
        )
        for size, seed in ((7, 0), (40, 0), (7, 1))
    )
    xr.testing.assert_allclose(one.dataset, other.dataset)
    assert not np.array_equal(one.dataset["dice_by_fold"], seeded.dataset["dice_by_fold"])


def test_model_and_random_state_stay_as_they_were(unet, loader):
    unet.train()
    before, state = [w.clone() for w in unet.parameters()], torch.get_rng_state()
    infoflow.probe(unet, loader, layers=[0, "output"], folds=2, pixels=4, progress=False)
    assert unet.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(before, unet.parameters(), strict=True))


def test_table_and_file_hold_the_same_numbers(fork, tmp_path):
    net, images, masks = fork
    found = infoflow.probe(net, batches(images, masks), progress=False)
    read = infoflow.ProbeResult(xr.load_dataset(found.save(tmp_path / "new" / "probes.nc")))
    xr.testing.assert_equal(read.dataset, found.dataset)
    assert str(read) == str(found)
    lines = str(found).splitlines()
    assert lines[0].startswith("Fork: 1×1 read-outs fitted on 64 pixels of each sample, cross-fit")
    assert lines[5].split() == ["1", "mask", "2", "1.000", "0.000", "1.000", "0.000"]
    assert lines[-1].split() == ["most", "frequent", "class", "0.000", "0.000"]


@pytest.mark.filterwarnings("ignore:1 of 2 layers hold neither maps nor vectors")
def test_layers_without_maps_are_left_out_of_dense_read_outs():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Conv2d(1, 2, 1)
            self.mix = nn.Linear(16, 3)

        def forward(self, image):
            maps = self.map(image)
            return self.mix(maps.flatten(2)), maps

    images = torch.randn(20, 1, 4, 4)
    loader = batches(images, (images[:, 0] > 0).long())
    found = infoflow.probe(Tokens(), loader, folds=2, progress=False)
    assert found.layers == ["map"]
    with pytest.raises(ValueError, match=r"Layer mix \(1\) .* shape \(2, 3\); expected maps"):
        infoflow.probe(Tokens(), loader, layers=["map", "mix"], progress=False)


@pytest.mark.parametrize("is_dense", [True, False])
def test_maps_with_channels_last_are_read_as_those_with_channels_first(is_dense):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv2d(2, 3, 1), nn.Linear(2, 3)
            self.last.weight.data = self.first.weight.data[:, :, 0, 0].clone()
            self.last.bias.data = self.first.bias.data.clone()

        def forward(self, image):
            return self.first(image), self.last(image.permute(0, 2, 3, 1))

    images = torch.randn(40, 2, 4, 6)
    masks = (images[:, 0] > 0).long()
    target = masks if is_dense else (images[:, 1].mean(dim=(1, 2)) > 0).long()
    found = infoflow.probe(Twice(), batches(images, target), folds=2, progress=False)
    values = found.dataset["dice" if is_dense else "accuracy"]
    assert float(values.sel(layer="first")) > 0.8
    np.testing.assert_allclose(values.sel(layer="last"), values.sel(layer="first"), atol=0.01)


def test_wrong_input_gets_one_clear_sentence(unet, loader, blobs):
    images, masks = blobs.tensors
    labels = torch.arange(20) % 2

    def probing(match, *args, net=unet, **options):
        with pytest.raises(ValueError, match=match):
            infoflow.probe(net, *args, progress=False, **options)

    probing("metrics must be among dice, iou, accuracy, got 'f1'", loader, ["f1"])
    probing("metrics must name at least one of dice", loader, [])
    probing("metrics must be names among dice, iou, accuracy, got 3", loader, 3)
    probing("dice compares maps, but Y is one class per sample", [(images, labels)], ["dice"])
    probing("probe needs Y, but the loader's batches hold inputs only", [images])
    probing("probe needs Y, got target='none'", loader, target="none")
    probing(r"target must hold a class per sample.*\(20, 3, 32, 32\)", [(images, images)])
    probing(r"target > 0\.5 for soft masks", [(images, images[:, :1])])
    probing(r"at least 2 classes, got \[0", [(images, torch.zeros(20, 32, 32))])
    probing(r"at least 2 classes, got \[1", [(images, torch.ones(20))])
    probing("folds must leave at least 2 samples", [(images, labels)], folds=11)
    probing("decision must be 'likely' or 'balanced', got 'any'", loader, decision="any")
    probing("memory_budget must be", loader, memory_budget="much")
    probing("gives inputs only; expected", loader, evaluate=[images])
    probing("expected one kind for both", loader, evaluate=[(images, labels)])
    probing(r"hold 7, which those of loader= do not", loader, evaluate=[(images, masks + 7)])
    probing("target must be 'auto'", loader, evaluate=loader, target=infoflow.KMeans(2), layers=[0])
    unet.output.weight.data[:] = torch.nan
    probing(r"Layer output \(22\) has NaN or infinite values in sample 0", loader, layers=[22])


def test_layers_without_rows_are_told(loader):
    class Rowless(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 1)
            self.whole = nn.Linear(1, 1)

        def forward(self, image):
            found = self.layer(image)
            return found + self.whole(found.mean().view(1))

    with pytest.raises(ValueError, match=r"whole.*cannot be measured"):
        infoflow.probe(Rowless(), loader, layers=["whole"], progress=False)


def test_a_result_that_cannot_be_written_leaves_the_old_one(tmp_path):
    loader = [(torch.rand(20, 3), torch.arange(20) % 2)]
    found = infoflow.probe(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), loader, progress=False)
    place = tmp_path / "taken"
    place.mkdir()
    with pytest.raises(ResultFileError, match="Cannot write the result to"):
        found.save(place)
    assert found.save(tmp_path / "probes.nc").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probes.nc", "taken"]
