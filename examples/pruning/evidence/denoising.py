"""Noisy patches of photographs, and denoising U-Nets that were trained on micrographs."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from evidence.entry import Parts, Places, Sizes, split_held_out
from evidence.nuclei import tiles
from evidence.packages import package_file, package_module

#: Photographs that come inside scikit-image's wheel.
PICTURES = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png",
    "coffee.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png",
    "moon.png", "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
SIDE = 64
#: Standard deviation of the noise, of images from 0 to 1.
NOISE = 0.25
#: Images are centred and scaled as the nets expect it.
CENTRE, SCALE = 0.5, 0.25
#: What mends and tunes; nothing is trained.
TRAINING_PATCHES = 320


def patches(places: Places, sizes: Sizes, seed: int) -> Parts:
    """Return noisy and clean patches, (N, 1, 64, 64), which do not overlap.

    Patches of all photographs are shuffled before they are split, so a photograph is in all parts.
    """
    folder = package_file(places.packages, "skimage/data")
    clean = torch.cat([tiles(_grey(folder / name), SIDE) for name in PICTURES])
    generator = torch.Generator().manual_seed(0)
    noisy = clean + NOISE * torch.randn(clean.shape, generator=generator)
    order = torch.randperm(len(clean), generator=generator)
    inputs, targets = ((part[order] - CENTRE) / SCALE for part in (noisy, clean))
    first = min(sizes.train, TRAINING_PATCHES)
    train, held_out = ((inputs[rows], targets[rows]) for rows in (slice(first), slice(first, None)))
    return split_held_out(train, held_out, sizes, seed)


def _grey(path: object) -> Tensor:
    """Return a picture from 0 to 1, (1, 1, H, W)."""
    with Image.open(str(path)) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=np.float32) / 255
    return torch.from_numpy(pixels)[None, None]


def build_topaz(places: Places, seed: int) -> nn.Module:
    """Return the U-Net with five concatenated skips, pretrained."""
    return _load(places, "UDenoiseNet", "unet_L2_v0.2.2.sav")


def build_topaz_small(places: Places, seed: int) -> nn.Module:
    """Return the U-Net with three concatenated skips, pretrained."""
    return _load(places, "UDenoiseNetSmall", "unet_small_L1_v0.2.2.sav")


def _load(places: Places, net: str, weights: str) -> nn.Module:
    models = package_module(places.packages, "topaz.denoising.models")
    path = package_file(places.packages, f"topaz/pretrained/denoise/{weights}")
    model: nn.Module = getattr(models, net)(top_width=5)
    model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return model
