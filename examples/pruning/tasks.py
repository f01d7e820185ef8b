"""What is trained, on what, and how it is judged: three nets and their data."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from evidence.convnets import DenseNet, ResNet
from torch import Tensor, nn
from torch.nn import functional
from torchvision.datasets import MNIST

import infoflow

sys.path.append(str(Path(__file__).resolve().parents[1] / "nuclei_unet"))
from data import load_nuclei
from metrics import mean_dice
from models import build_model

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """A net with its data, its recipe and its metric.

    Parameters
    ----------
    name
        For files and tables.
    build
        Returns an untrained net for a seed.
    images, targets
        Training samples.
    metric
        Returns the metric on held-out samples; larger is better.
    loss, optimizer
        The recipe.
    epochs, tune_epochs, batch_size
        How long, and in what steps.
    target
        Y for the information estimates.
    measured
        How many training samples are measured.
    reset
        Gives a net new weights.
    only_branches
        Whether to remove residual branches only, not identities.
    """

    name: str
    build: Callable[[int], nn.Module]
    images: Tensor
    targets: Tensor
    metric: Callable[[nn.Module], float]
    loss: Loss
    optimizer: Callable[[Any], torch.optim.Optimizer]
    epochs: int
    tune_epochs: int
    batch_size: int
    target: Any
    measured: int
    reset: Any = True
    only_branches: bool = False

    def train(self, model: nn.Module, epochs: int, seed: int) -> None:
        """Train in place, on batches in an order that the seed decides.

        The learning rate falls linearly to 0: at a constant one, the last few steps move the metric
        by more than most removals do.
        """
        optimizer = self.optimizer(model.parameters())
        steps = epochs * math.ceil(len(self.images) / self.batch_size)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        generator = torch.Generator().manual_seed(seed)
        model.train()
        for _ in range(epochs):
            order = torch.randperm(len(self.images), generator=generator)
            for rows in order.split(self.batch_size):
                optimizer.zero_grad()
                self.loss(model(self.images[rows]), self.targets[rows]).backward()
                optimizer.step()
                schedule.step()
        model.eval()

    def loader(self) -> list[tuple[Tensor, Tensor]]:
        """Return the samples that are measured, in batches."""
        images, targets = self.images[: self.measured], self.targets[: self.measured]
        return list(zip(images.split(32), targets.split(32), strict=True))


def glorot(module: nn.Module) -> None:
    """Give a layer of the U-Net the weights of the authors' recipe."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def nuclei(data_dir: Path, cache_dir: Path) -> Task:
    """Model 1 of the paper at half width on 64×64 images, 60 epochs from learning rate 0.1 on."""
    data = load_nuclei(data_dir, size=64, cache_dir=cache_dir)
    held_out = (data.validation_images, data.validation_masks, 16)
    return Task(
        name="nuclei U-Net",
        build=lambda seed: build_model(1, base_channels=8, seed=seed),
        images=data.images,
        targets=data.masks,
        metric=lambda model: mean_dice(model, *held_out),
        loss=functional.binary_cross_entropy,
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1),
        epochs=60,
        tune_epochs=5,
        batch_size=16,
        target=infoflow.KMeans(64),
        measured=len(data.images),
        reset=glorot,
    )


def _mnist(name: str, net: type[nn.Module], data_dir: Path) -> Task:
    train, test = (MNIST(data_dir, train=is_training) for is_training in (True, False))
    images, held_out = (d.data[:, None].float() / 255 for d in (train, test))

    @torch.no_grad()
    def accuracy(model: nn.Module) -> float:
        model.eval()
        guesses = torch.cat([model(batch).argmax(1) for batch in held_out.split(500)])
        return float((guesses == test.targets).double().mean())

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return net()

    return Task(
        name=name,
        build=build,
        images=images[:6000],
        targets=train.targets[:6000],
        metric=accuracy,
        loss=functional.cross_entropy,
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.05, momentum=0.9),
        epochs=3,
        tune_epochs=1,
        batch_size=64,
        target="auto",
        measured=1000,
        only_branches=net is ResNet,
    )


def make_task(name: str, data_dir: Path, cache_dir: Path) -> Task:
    """Return a task by its name: ``nuclei``, ``resnet`` or ``densenet``."""
    if name == "nuclei":
        return nuclei(data_dir, cache_dir)
    nets: dict[str, tuple[str, type[nn.Module]]] = {
        "resnet": ("ResNet on MNIST", ResNet),
        "densenet": ("DenseNet on MNIST", DenseNet),
    }
    if name not in nets:
        raise ValueError(f"A task is nuclei, resnet or densenet, got {name!r}.")
    return _mnist(*nets[name], data_dir)
