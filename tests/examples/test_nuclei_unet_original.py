"""The U-Net of 2015 in the nuclei example: mirrored edges, border weights, and a short training."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import infoflow
from tests.examples.nuclei import import_example, write_folder

example = import_example()
original, run = example.original, example.run


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("side", [32, 64, 189])
def test_mirroring_is_that_of_numpy(side: int):
    image = torch.rand(1, 3, side, side)
    needed = infoflow.testing.OriginalUNet.input_side(side)
    before = (needed - side) // 2
    after = needed - side - before
    expected = np.pad(image.numpy()[0, 0], ((before, after), (before, after)), mode="reflect")
    np.testing.assert_array_equal(original.mirrored(image)[0, 0], expected)


def test_the_output_lies_over_the_image():
    net = example.models.build_model("original", base_channels=1)
    image = torch.rand(1, 3, 64, 48, requires_grad=True)
    # without what comes through the poolings, a pixel of the output sees 9×9 around its own place
    torch.nn.init.zeros_(net.net.upsample[3].weight)
    for pair in (net.net.encoder[0], net.net.decoder[3]):
        for conv in (pair[0], pair[2]):
            torch.nn.init.ones_(conv.weight)
    net.net.output.weight.data = torch.tensor([0.0, 1.0])[:, None, None, None]
    scores = net.scores(image)
    assert scores.shape == (1, 2, 64, 48)
    scores[0, 1, 30, 20].backward()
    seen = image.grad[0].abs().sum(dim=0)
    assert seen.nonzero().amin(dim=0).tolist() == [26, 16]
    assert seen.nonzero().amax(dim=0).tolist() == [34, 24]


def test_the_mirrored_net_has_the_same_layers_and_skips():
    net = example.models.build_model("original", base_channels=1)
    graph = infoflow.trace(net, torch.rand(1, 3, 32, 32))
    assert len(graph) == 23
    assert [str(skip) for skip in graph.skips] == ["7→11", "5→14", "3→17", "1→20"]


def test_border_weights_are_those_of_the_formula():
    instances = np.zeros((20, 30), int)
    instances[5:9, 4:8], instances[5:9, 12:15], instances[16:18, 3:6] = 1, 2, 7
    weights = original.border_weights(instances)
    places = [np.argwhere(instances == number) for number in (1, 2, 7)]
    for row, column in np.argwhere(instances == 0):
        each = [np.linalg.norm(place - (row, column), axis=1).min() for place in places]
        one, two = sorted(each)[:2]
        expected = 10 * math.exp(-((one + two) ** 2) / 50)
        assert weights[row, column] == pytest.approx(expected, rel=1e-5)
    assert not weights[instances > 0].any()


@pytest.mark.parametrize("number", [0, 1])
def test_without_two_nuclei_there_is_no_border(number: int):
    instances = np.zeros((6, 6), int)
    instances[2, 2] = number
    assert not original.border_weights(instances).any()


def test_both_classes_weigh_the_same_and_a_pixel_1():
    masks = (torch.rand(3, 1, 8, 8) < 0.2).float()
    weights = original.pixel_weights(masks[:, 0].int(), masks)
    inside = masks[:, 0] > 0
    assert weights[inside].sum().item() == pytest.approx(weights[~inside].sum().item())
    assert weights.mean().item() == pytest.approx(1.0)


def test_the_loss_is_the_weighted_mean_of_log_probabilities():
    scores, masks = torch.randn(2, 2, 3, 3), torch.randint(0, 2, (2, 1, 3, 3)).float()
    weights = torch.rand(2, 3, 3)
    probability = scores.softmax(dim=1).gather(1, masks.long())[:, 0]
    expected = -(weights * probability.log()).mean()
    torch.testing.assert_close(original.weighted_cross_entropy(scores, masks, weights), expected)


def test_nuclei_are_told_apart_and_cover_the_joint_mask(tmp_path: Path):
    nuclei = example.data.load_nuclei(
        write_folder(tmp_path / "data"), size=32, cache_dir=tmp_path, with_instances=True
    )
    assert nuclei.instances.shape == (13, 32, 32)
    assert torch.equal(nuclei.instances > 0, nuclei.masks[:, 0] > 0)
    assert nuclei.instances.max() == 3
    plain = example.data.load_nuclei(tmp_path / "data", size=32, cache_dir=tmp_path)
    assert plain.instances is None
    assert plain.fingerprint == nuclei.fingerprint
    with pytest.raises(ValueError, match=r"needs each nucleus by itself.*with_instances=True"):
        example.losses.make_loss(example.models.build_model("original"), plain, "cpu")


def test_unknown_models_are_named():
    with pytest.raises(ValueError, match=r"models are 1, 2, 3, 4 and 'original', got 'v2'"):
        example.models.build_model("v2")


def few_real_pictures(data_dir: Path, folder: Path) -> Path:
    """Unpack 10 real pictures, 2 of them for validation."""
    with zipfile.ZipFile(data_dir / "nuclei" / "stage1_train.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        ids = sorted({name.split("/")[-3] for name in names})[:10]
        archive.extractall(
            folder / "stage1_train", [name for name in names if name.split("/")[-3] in ids]
        )
    (folder / "validation_ids.txt").write_text("\n".join(ids[:2]))
    return folder


def test_a_short_training_on_real_images_lowers_the_weighted_loss(data_dir: Path, tmp_path: Path):
    folder = few_real_pictures(data_dir, tmp_path / "data")
    nuclei = example.data.load_nuclei(
        folder, size=32, cache_dir=tmp_path / "cache", with_instances=True
    )
    settings = run.Settings(
        data_fingerprint=nuclei.fingerprint,
        model="original",
        size=32,
        base_channels=4,
        learning_rate=0.05,
        batch_size=4,
        clusters=2,
        measure=False,
    )
    training = run.Run(settings, nuclei, tmp_path / "out")
    training.begin()
    losses = [training.advance().training_loss for _ in range(6)]
    assert losses[-1] < 0.9 * losses[0]
    training.save()
    resumed = run.Run(settings, nuclei, tmp_path / "out")
    assert resumed.epoch == 6
