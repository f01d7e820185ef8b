"""Where a study's files are, and what it is made of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from compression.mnist_net import read_mnist
from compression.scales import MnistTraining, Scale, Training
from compression.szt_net import read_task


@dataclass
class Work:
    """Where a study's files are, and what it is made of.

    Parameters
    ----------
    scale
        What to train, and how finely to measure it.
    out
        Holds ``trained/``, ``results/``, ``figures/`` and ``claims.json``.
    results
        What figures and claims are made from; by default ``out/results``.
    data_dir
        Holds ``szt/``, ``MNIST/`` and, for the comparison, ``goldfeld/``.
    only
        Names of the trainings to train and measure; empty for all.
    deadline
        Time of the monotonic clock after which training and measuring stop.
    """

    scale: Scale
    out: Path
    results: Path
    data_dir: Path | None
    only: tuple[str, ...]
    deadline: float

    @property
    def trainings(self) -> list[Training]:
        """Those that were asked for."""
        chosen = self.scale.trainings
        return [each for each in chosen if not self.only or each.name in self.only]

    def folder(self, training: Training) -> Path:
        """Return where a training is."""
        return self.out / "trained" / training.name

    def parts(self, name: str) -> Path:
        """Return where the measurements of a training are, each a file."""
        return self.out / "measured" / name

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    @cached_property
    def szt(self) -> tuple[Tensor, Tensor]:
        """The task of Shwartz-Ziv and Tishby."""
        return read_task(self.data_dir)

    @cached_property
    def digits(self) -> tuple[Tensor, Tensor]:
        """The training images of MNIST, and their digits."""
        return read_mnist(self.data_dir, train=True)

    @cached_property
    def test_digits(self) -> tuple[Tensor, Tensor]:
        """The test images of MNIST, and their digits."""
        return read_mnist(self.data_dir, train=False)

    def tested(self, training: MnistTraining) -> tuple[Tensor, Tensor]:
        """Return the test images that a training uses, and their digits."""
        images, digits = self.test_digits
        return images[: training.test_images], digits[: training.test_images]
