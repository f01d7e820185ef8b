"""The MNIST CNN: four layers with batch norm and tanh, with noise or dropout or neither."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.datasets import MNIST

#: What is measured of each of the four layers: after pooling, after tanh, and the output.
LAYERS = ("pool1", "pool2", "tanh3", "output")


class Noise(nn.Module):
    """Gaussian noise, in training and in evaluation, from a generator of its own.

    Parameters
    ----------
    beta
        Standard deviation.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.generator = torch.Generator()

    def forward(self, value: Tensor) -> Tensor:
        """Return the value with fresh noise."""
        noise = torch.randn(value.shape, generator=self.generator)
        return value + self.beta * noise


class Cnn(nn.Module):
    """The CNN of the paper's section 2, by what its extended version says of it.

    Convolutions of 16 and 32 channels, 5×5, and a fully connected layer of 128 units, each with
    batch norm, tanh and then noise or dropout, and 2×2 max pooling after the convolutions; then
    ten outputs.

    Parameters
    ----------
    beta
        Standard deviation of the noise; 0 for none.
    dropout
        Probability of dropout in the place of noise; 0 for none.
    """

    def __init__(self, beta: float, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding=2)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.norm2 = nn.BatchNorm2d(32)
        self.linear3 = nn.Linear(32 * 49, 128)
        self.norm3 = nn.BatchNorm1d(128)
        self.linear4 = nn.Linear(128, 10)
        self.disturbances = nn.ModuleList(_disturbance(beta, dropout) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        """Return the ten outputs."""
        return self.layers(images)["output"]

    def layers(self, images: Tensor) -> dict[str, Tensor]:
        """Return what the four layers hold."""
        first, second, third = self.disturbances
        pool1 = F.max_pool2d(first(torch.tanh(self.norm1(self.conv1(images)))), 2)
        pool2 = F.max_pool2d(second(torch.tanh(self.norm2(self.conv2(pool1)))), 2)
        tanh3 = third(torch.tanh(self.norm3(self.linear3(pool2.flatten(1)))))
        return dict(zip(LAYERS, (pool1, pool2, tanh3, self.linear4(tanh3)), strict=True))

    def reseed(self, seed: int) -> None:
        """Start noise and dropout again from a seed."""
        torch.manual_seed(seed)  # dropout has no generator of its own
        for place, part in enumerate(self.disturbances):
            if isinstance(part, Noise):
                part.generator.manual_seed(3 * seed + place)


def _disturbance(beta: float, dropout: float) -> nn.Module:
    if beta:
        return Noise(beta)
    return nn.Dropout(dropout) if dropout else nn.Identity()


def fresh_cnn(beta: float, dropout: float, seed: int) -> Cnn:
    """Return the untrained CNN of a seed; all variants of a seed begin alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Cnn(beta, dropout)


def read_mnist(data_dir: Path | None, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return images, (N, 1, 28, 28) between −1 and 1, and their digits."""
    if data_dir is None:
        raise ValueError(
            "The data folder is not given, expected the one that holds MNIST/raw. Pass "
            "--data-dir, or set INFOFLOW_DATA."
        )
    try:
        stored = MNIST(str(data_dir), train=train, download=False)
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(
            f"{data_dir / 'MNIST' / 'raw'} cannot be read as MNIST ({type(error).__name__}), "
            "expected its four uncompressed idx files. Give the folder that holds MNIST/raw as "
            "--data-dir."
        ) from error
    return stored.data[:, None].float() / 127.5 - 1.0, stored.targets


def distorted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift images by up to 2 pixels, and turn and shear them by up to 10 degrees."""
    draws = 2.0 * torch.rand(4, len(images), generator=generator) - 1.0
    turn, shear = draws[0] * math.radians(10), torch.tan(draws[1] * math.radians(10))
    shift = draws[2:] * 2 / (images.shape[-1] / 2)
    cos, sin = turn.cos(), turn.sin()
    rows = torch.stack([cos, shear * cos - sin, shift[0], sin, shear * sin + cos, shift[1]], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    # −1 is the background; outside of the image grid_sample has 0
    return F.grid_sample(images + 1.0, grid, align_corners=False) - 1.0
