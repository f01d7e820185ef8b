"""The nuclei images of the 2018 Data Science Bowl: resized once, cached, and split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from common.files import replacing
from PIL import Image
from sources import DataError, Files, find_source, opened, validation_ids
from torch import Tensor
from tqdm import tqdm

#: Part of a cache file's name: another number where the same files give other arrays.
_RECIPE = 1


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The images and joint masks of one split, in the order of their ids.

    Attributes
    ----------
    images, validation_images
        float32, shape (N, 3, size, size), in [0, 1].
    masks, validation_masks
        float32, shape (N, 1, size, size), zeros and ones.
    fingerprint
        Tells whether two runs had the same files and the same split.
    instances
        int32, shape (N, size, size): for each pixel of a training image 0, or the number of its
        nucleus; of several, the last. None where they were not asked for.
    """

    images: Tensor
    masks: Tensor
    validation_images: Tensor
    validation_masks: Tensor
    fingerprint: str
    instances: Tensor | None = None


def load_nuclei(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    size: int = 128,
    cache_dir: str | os.PathLike[str] = "runs/nuclei_cache",
    with_instances: bool = False,
) -> Nuclei:
    """Return the training and the validation images with their masks.

    Parameters
    ----------
    data_dir
        Folder that holds ``stage1_train.zip`` or an unpacked ``stage1_train``, and
        ``validation_ids.txt``, itself or in its subfolder ``nuclei``; None for the folder that the
        environment variable INFOFLOW_DATA names.
    size
        Side to which images and masks are resized, a multiple of 16.
    cache_dir
        Where the resized arrays are kept, one file for each size and set of files.
    with_instances
        Whether to tell the nuclei of the training images apart too, as a border-weighted loss asks.

    Raises
    ------
    DataError
        If something is missing; says what, and where it comes from.
    """
    if size < 16 or size % 16:
        raise DataError(
            f"size must be a multiple of 16, which the U-Net's four poolings need, got {size}. "
            "The paper uses 128."
        )
    source = find_source(data_dir)
    with opened(source) as files:
        held_out = validation_ids(source, files.pictures)
        cache = Path(cache_dir) / f"nuclei_{size}_{files.fingerprint}_{_RECIPE}.npz"
        images, masks = _cached(cache, _resize_all, files, size)
        if with_instances:
            apart = cache.with_name(f"instances_{cache.name}")
            (instances,) = _cached(apart, _resize_instances, files, size)
    rows = torch.tensor([name in held_out for name in sorted(files.pictures)])
    split = hashlib.sha256("\n".join([files.fingerprint, *sorted(held_out)]).encode())
    return Nuclei(
        *_as_tensors(images, masks, ~rows),
        *_as_tensors(images, masks, rows),
        split.hexdigest()[:12],
        torch.from_numpy(instances)[~rows].int() if with_instances else None,
    )


def batches(images: Tensor, masks: Tensor, batch_size: int) -> list[tuple[Tensor, Tensor]]:
    """Cut images and masks into batches, in their order; a list that can be read many times."""
    return list(zip(images.split(batch_size), masks.split(batch_size), strict=True))


def make_loader() -> list[tuple[Tensor, Tensor]]:
    """Return the training batches for ``infoflow analyze``.

    The folder comes from INFOFLOW_DATA, the side of the images from INFOFLOW_NUCLEI_SIZE (64).
    """
    nuclei = load_nuclei(size=int(os.environ.get("INFOFLOW_NUCLEI_SIZE", "64")))
    return batches(nuclei.images, nuclei.masks, 16)


def resize_image(image: Image.Image, size: int) -> np.ndarray:
    """Return an image as uint8 RGB of shape (3, size, size), bilinear with antialiasing."""
    resized = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def resize_mask(mask: Image.Image, size: int) -> np.ndarray:
    """Return where one nucleus is: bool of shape (size, size), True where its mask is above 0.

    As in the authors' code, every pixel that the resized nucleus touches belongs to it.
    """
    return np.asarray(mask.convert("L").resize((size, size), Image.Resampling.BILINEAR)) > 0


def _resize_all(files: Files, size: int) -> dict[str, np.ndarray]:
    images = np.zeros((len(files.pictures), 3, size, size), np.uint8)
    masks = np.zeros((len(files.pictures), 1, size, size), np.uint8)
    names = sorted(files.pictures)
    bar = tqdm(names, desc=f"resizing to {size}×{size}", unit="image", disable=None)
    for row, name in enumerate(bar):
        picture = files.pictures[name]
        images[row] = resize_image(files.open(picture.image), size)
        for mask in picture.masks:
            masks[row, 0] |= resize_mask(files.open(mask), size)
    return {"images": images, "masks": masks}


def _resize_instances(files: Files, size: int) -> dict[str, np.ndarray]:
    instances = np.zeros((len(files.pictures), size, size), np.uint16)
    bar = tqdm(sorted(files.pictures), desc="telling nuclei apart", unit="image", disable=None)
    for row, name in enumerate(bar):
        for number, mask in enumerate(files.pictures[name].masks, 1):
            instances[row][resize_mask(files.open(mask), size)] = number
    return {"instances": instances}


def _cached(
    cache: Path, make: Callable[[Files, int], dict[str, np.ndarray]], files: Files, size: int
) -> list[np.ndarray]:
    """Return the arrays of a cache file, which is made where there is none."""
    if not cache.is_file():
        arrays = make(files, size)
        with replacing(cache) as part, part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        return list(arrays.values())
    try:
        with np.load(cache) as stored:
            return [stored[name] for name in stored.files]
    except Exception as error:
        raise DataError(
            f"The cache {cache} cannot be read ({type(error).__name__}): it is damaged. Delete it; "
            "the images are then resized again."
        ) from error


def _as_tensors(images: np.ndarray, masks: np.ndarray, rows: Tensor) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(images)[rows].float().div(255), torch.from_numpy(masks)[rows].float()
