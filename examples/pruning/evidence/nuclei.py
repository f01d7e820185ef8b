"""Tiles of nuclei images, and the U-Nets that are trained on them."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from evidence.digits import seeded
from evidence.entry import Parts, Places, Samples, Sizes, split_held_out

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the package common
sys.path.append(str(Path(__file__).resolve().parents[2] / "nuclei_unet"))
from data import load_nuclei
from models import build_model

#: Of the 670 images, those to train on; the tiles of the others are held out.
TRAINING_IMAGES = 300
SIDE = 64


def nuclei(places: Places, sizes: Sizes, seed: int) -> Parts:
    """Return 64×64 tiles of images of 128×128: four of each, (N, 3, 64, 64) and (N, 1, 64, 64).

    Tiles that are trained on and tiles that are held out are of different images. The 605 images
    and 65 images of the paper's split are put together first, in their order.
    """
    found = load_nuclei(places.data_dir, size=2 * SIDE, cache_dir=places.cache)
    images = torch.cat([found.images, found.validation_images])
    masks = torch.cat([found.masks, found.validation_masks])
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    first = min(TRAINING_IMAGES, len(images) // 2)
    train, held_out = order[:first], order[first:]
    return split_held_out(
        _both(images[train], masks[train]), _both(images[held_out], masks[held_out]), sizes, seed
    )


def _both(images: Tensor, masks: Tensor) -> Samples:
    return tiles(images, SIDE), tiles(masks, SIDE)


def tiles(images: Tensor, side: int) -> Tensor:
    """Cut images (N, C, H, W) into squares that do not overlap, (N·tiles, C, side, side).

    Examples
    --------
    >>> tiles(torch.arange(16.0).view(1, 1, 4, 4), 2)[1, 0].tolist()
    [[2.0, 3.0], [6.0, 7.0]]
    """
    cut = images.unfold(2, side, side).unfold(3, side, side)
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1], side, side)


def build_unet(places: Places, seed: int) -> nn.Module:
    """Return Model 1 of Lee and Bajić at half width; its output is a probability."""
    return build_model(1, base_channels=8, seed=seed)


def _smp() -> nn.Module:
    import segmentation_models_pytorch as smp  # slow to import

    return smp.Unet("resnet18", encoder_weights=None)


build_smp = seeded(_smp)
