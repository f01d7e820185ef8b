"""The loader of the nuclei example: what it reads, how it resizes, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infoflow import InfoflowError
from tests.examples.nuclei import HELD_OUT, SIDES, import_example, write_folder, write_zip

example = import_example()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data")


def load(data_dir: Path, cache: Path, size: int = 32):
    return example.data.load_nuclei(data_dir, size=size, cache_dir=cache)


def tensors(nuclei) -> list[torch.Tensor]:
    return [nuclei.images, nuclei.masks, nuclei.validation_images, nuclei.validation_masks]


def test_shapes_ranges_and_split(folder: Path, tmp_path: Path):
    nuclei = load(folder, tmp_path / "cache")
    held_out = len(HELD_OUT)
    assert nuclei.images.shape == (len(SIDES) - held_out, 3, 32, 32)
    assert nuclei.validation_masks.shape == (held_out, 1, 32, 32)
    assert all(part.dtype == torch.float32 for part in tensors(nuclei))
    assert all(part.min() >= 0 and 0.5 < part.max() <= 1 for part in tensors(nuclei))
    assert set(nuclei.masks.unique().tolist()) == {0.0, 1.0}


def test_the_split_follows_the_list_in_the_order_of_the_ids(folder: Path, tmp_path: Path):
    nuclei = load(folder, tmp_path / "cache")
    for row, name in enumerate(HELD_OUT):
        with Image.open(folder / "stage1_train" / name / "images" / f"{name}.png") as image:
            expected = torch.from_numpy(example.data.resize_image(image, 32).copy()) / 255
        assert torch.equal(nuclei.validation_images[row], expected)


def test_archive_and_folder_give_the_same_arrays(folder: Path, tmp_path: Path):
    unpacked = load(folder, tmp_path / "one")
    packed = load(write_zip(folder, tmp_path / "zip" / "nuclei").parent, tmp_path / "two")
    assert unpacked.fingerprint == packed.fingerprint
    for one, other in zip(tensors(unpacked), tensors(packed), strict=True):
        assert torch.equal(one, other)


def test_data_dir_may_come_from_the_environment(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("INFOFLOW_DATA", str(folder))
    monkeypatch.setenv("INFOFLOW_NUCLEI_SIZE", "16")
    monkeypatch.chdir(tmp_path)
    (images, masks), *_ = example.data.make_loader()
    assert images.shape == (13, 3, 16, 16)
    assert masks.shape == (13, 1, 16, 16)
    assert list(Path("runs/nuclei_cache").iterdir())


def test_every_pixel_that_a_nucleus_touches_is_kept():
    mask = np.zeros((64, 64), np.uint8)
    mask[10, 20] = 255  # a quarter of a pixel of the half-size mask, which rounding would lose
    small = example.data.resize_mask(Image.fromarray(mask), 32)
    assert small[5, 10]
    assert small.sum() <= 9
    assert not example.data.resize_mask(Image.fromarray(np.zeros_like(mask)), 32).any()


def test_the_joint_mask_is_one_where_any_nucleus_is(folder: Path, tmp_path: Path):
    nuclei = load(folder, tmp_path / "cache")
    expected = np.zeros((32, 32), bool)
    for path in (folder / "stage1_train" / HELD_OUT[1] / "masks").iterdir():
        with Image.open(path) as mask:
            expected |= np.asarray(mask.resize((32, 32), Image.Resampling.BILINEAR)) > 0
    assert np.array_equal(nuclei.validation_masks[1, 0].bool().numpy(), expected)


def test_an_even_image_keeps_its_colour_and_loses_its_alpha():
    image = Image.new("RGBA", (50, 70), (10, 20, 30, 40))
    resized = example.data.resize_image(image, 16)
    assert resized.shape == (3, 16, 16)
    assert np.array_equal(np.unique(resized.reshape(3, -1), axis=1), [[10], [20], [30]])


def test_images_are_resized_once(folder: Path, tmp_path: Path, monkeypatch):
    first = load(folder, tmp_path / "cache")
    monkeypatch.setattr(example.sources.Files, "open", lambda *_: pytest.fail("resized again"))
    again = load(folder, tmp_path / "cache")
    assert all(map(torch.equal, tensors(first), tensors(again)))


def test_other_files_get_another_cache(folder: Path, tmp_path: Path):
    before = load(folder, tmp_path / "cache")
    shutil.rmtree(folder / "stage1_train" / "id00")
    after = load(folder, tmp_path / "cache")
    assert len(after.images) == len(before.images) - 1
    assert after.fingerprint != before.fingerprint


def test_a_killed_resize_leaves_no_cache(folder: Path, tmp_path: Path, monkeypatch):
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", killed)
    with pytest.raises(KeyboardInterrupt):
        load(folder, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def damage(folder: Path, what: str) -> None:
    picture = folder / "stage1_train" / "id05"
    if what == "no data":
        shutil.rmtree(folder / "stage1_train")
    elif what == "no ids":
        (folder / "validation_ids.txt").unlink()
    elif what == "foreign ids":
        (folder / "validation_ids.txt").write_text("id03\nid99\n")
    elif what == "all ids":
        names = [path.name for path in (folder / "stage1_train").iterdir()]
        (folder / "validation_ids.txt").write_text("\n".join(names))
    elif what == "no masks":
        shutil.rmtree(picture / "masks")
    elif what == "broken image":
        (picture / "images" / "id05.png").write_bytes(b"no image")
    elif what == "broken archive":
        shutil.rmtree(folder / "stage1_train")
        (folder / "stage1_train.zip").write_bytes(b"no archive")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no data", r"Expected stage1_train\.zip or an unpacked .*Kaggle.*BBBC038"),
        ("no ids", r"validation_ids\.txt, found no such file"),
        ("foreign ids", r"got id99, which is none"),
        ("all ids", r"got 16 of 16 ids"),
        ("no masks", r"id05 lacks its image or its masks"),
        ("broken image", r"id05\.png cannot be read as an image .*Download"),
        ("broken archive", r"cannot be read as a zip archive .*Download"),
    ],
)
def test_errors_say_what_is_wrong(folder: Path, tmp_path: Path, what: str, message: str):
    damage(folder, what)
    with pytest.raises(InfoflowError, match=message):
        load(folder, tmp_path / "cache")


def test_no_folder_at_all(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("INFOFLOW_DATA", raising=False)
    with pytest.raises(InfoflowError, match=r"expected --data-dir or .* INFOFLOW_DATA"):
        example.data.load_nuclei(None, cache_dir=tmp_path)


@pytest.mark.parametrize("size", [0, 8, 100])
def test_sizes_that_the_net_cannot_halve_four_times(folder: Path, tmp_path: Path, size: int):
    with pytest.raises(InfoflowError, match=f"multiple of 16.*got {size}"):
        load(folder, tmp_path, size=size)


def test_a_damaged_cache_is_named(folder: Path, tmp_path: Path):
    load(folder, tmp_path / "cache")
    (cache,) = (tmp_path / "cache").iterdir()
    cache.write_bytes(b"PK")
    with pytest.raises(InfoflowError, match=r"cache .* cannot be read .*Delete it"):
        load(folder, tmp_path / "cache")


def test_the_real_data_are_670_images_605_of_them_for_training(data_dir: Path):
    source = example.sources.find_source(data_dir)
    with example.sources.opened(source) as files:
        held_out = example.sources.validation_ids(source, files.pictures)
    assert len(files.pictures) == 670
    assert len(held_out) == 65
    assert sum(len(picture.masks) for picture in files.pictures.values()) == 29461
