"""Images that look like stained nuclei, with their masks, made from a seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def blob_images(samples: int, *, size: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw soft ellipses on a noisy ground, as many and as large as the image's kind says.

    Four kinds of image occur, as in real nuclei data: few large, many small, dense, and inverted
    (dark nuclei on a bright ground).

    Parameters
    ----------
    samples
        Number of images.
    size
        Side of an image, in pixels.
    seed
        Seed of everything random; the same seed gives the same images.

    Returns
    -------
    images, masks
        float32 tensors of shape (samples, 3, size, size) in [0, 1] and (samples, 1, size, size) of
        zeros and ones.

    Examples
    --------
    >>> images, masks = blob_images(2, size=32)
    >>> images.shape, masks.shape
    (torch.Size([2, 3, 32, 32]), torch.Size([2, 1, 32, 32]))
    """
    random = np.random.default_rng(seed)
    pairs = [_draw(random, size) for _ in range(samples)]
    images = np.stack([image for image, _ in pairs]).astype(np.float32)
    masks = np.stack([mask for _, mask in pairs]).astype(np.float32)
    return torch.from_numpy(images), torch.from_numpy(masks)


_KINDS = (
    # number of nuclei, radius as a share of the side, brightness of ground and of nuclei
    ((2, 5), (0.12, 0.2), 0.10, 0.65),
    ((6, 14), (0.04, 0.08), 0.05, 0.45),
    ((12, 24), (0.06, 0.1), 0.15, 0.55),
    ((5, 10), (0.06, 0.12), 0.85, 0.40),
)


def _draw(
    random: np.random.Generator, size: int
) -> tuple[np.ndarray[tuple[int, ...]], np.ndarray[tuple[int, ...]]]:
    number, radius, ground, bright = _KINDS[random.integers(len(_KINDS))]
    rows, columns = np.mgrid[:size, :size] / size
    level = np.full((size, size), ground)
    mask = np.zeros((size, size))
    for _ in range(random.integers(*number)):
        distance = _ellipse_distance(random, rows, columns, radius)
        inside = 1 / (1 + np.exp((distance - 1) * 12))
        level += (bright * random.uniform(0.7, 1.1) - level) * inside
        mask = np.maximum(mask, distance < 1)
    tint = 1 - 0.15 * random.random(3)[:, None, None]
    noise = random.normal(0, 0.03, (3, size, size))
    return np.clip(level[None] * tint + noise, 0, 1), mask[None]


def _ellipse_distance(
    random: np.random.Generator,
    rows: np.ndarray[tuple[int, ...]],
    columns: np.ndarray[tuple[int, ...]],
    radius: tuple[float, float],
) -> np.ndarray[tuple[int, ...]]:
    """Return each pixel's distance from a random ellipse's centre, 1 on its edge."""
    row, column = random.random(2)
    angle = random.uniform(0, np.pi)
    long, short = random.uniform(*radius) * np.array([1.2, 0.85])
    across = (rows - row) * np.cos(angle) + (columns - column) * np.sin(angle)
    along = (columns - column) * np.cos(angle) - (rows - row) * np.sin(angle)
    return np.asarray(np.hypot(across / long, along / short))
