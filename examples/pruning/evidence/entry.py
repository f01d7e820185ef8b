"""A net of the study: how it is built, trained and judged, and on which samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

#: Inputs and targets, each with a row per sample.
Samples = tuple[Tensor, Tensor]

#: What a net's output and targets mean: logits of classes (of each sample or each position), logits
#: or probabilities of a binary map, or real values that a squared error compares.
Kind = Literal["classes", "logits", "probabilities", "squares"]

#: What people read beside bits; :mod:`evidence.scoring` has them.
Metric = Literal["accuracy", "dice", "psnr"]


@dataclass(frozen=True)
class Places:
    """Where the study reads from.

    Parameters
    ----------
    data_dir
        Folder of the data sets ``MNIST`` and ``nuclei``; None where it is not known.
    packages
        Folder into which ``study.py fetch`` put the packages with pretrained nets.
    cache
        Folder for what takes long to prepare.
    """

    data_dir: Path | None
    packages: Path
    cache: Path


@dataclass(frozen=True)
class Sizes:
    """How many samples each part has at most."""

    train: int
    choose: int
    judge: int
    test: int

    @property
    def held_out(self) -> tuple[int, int, int]:
        """Number of samples that choose, judge and tell the truth."""
        return self.choose, self.judge, self.test


#: Enough to run every line in seconds; the numbers mean nothing.
SMOKE = Sizes(train=96, choose=32, judge=128, test=192)


@dataclass(frozen=True, eq=False)
class Parts:
    """Samples that never meet: to train and mend with, to choose, to judge, to tell the truth.

    The last three are a random split of the same held-out samples, so that an interval from one
    should hold the mean of another as often as it says.
    """

    train: Samples
    choose: Samples
    judge: Samples
    test: Samples


@dataclass(frozen=True)
class Recipe:
    """How a net is trained; the learning rate falls linearly to 0.

    Parameters
    ----------
    optimizer
        ``"sgd"`` with momentum 0.9, or ``"adamw"``.
    learning_rate, epochs, batch_size
        The usual.
    flips
        Whether each batch is flipped and transposed at random.
    """

    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    epochs: int
    batch_size: int
    flips: bool = False


@dataclass(frozen=True)
class Entry:
    """A net of the study.

    Parameters
    ----------
    name, title
        For files and commands, and for tables.
    half
        1 where choices were made on this net, 2 where they were only judged on it.
    build
        Returns the net for a seed, untrained or pretrained.
    parts
        Returns the samples for a seed.
    sizes
        How many samples each part has.
    kind, metric
        How its output is judged.
    recipe
        How it is trained; None where it comes trained.
    """

    name: str
    title: str
    half: Literal[1, 2]
    build: Callable[[Places, int], nn.Module]
    parts: Callable[[Places, Sizes, int], Parts]
    sizes: Sizes
    kind: Kind
    metric: Metric
    recipe: Recipe | None

    def as_smoke(self) -> Entry:
        """Return the same net with a few samples and one epoch."""
        recipe = None if self.recipe is None else replace(self.recipe, epochs=1)
        return replace(self, sizes=SMOKE, recipe=recipe)


def take(samples: Samples, rows: Tensor | slice) -> Samples:
    """Return some rows of inputs and targets."""
    return samples[0][rows], samples[1][rows]


def split_held_out(train: Samples, held_out: Samples, sizes: Sizes, seed: int) -> Parts:
    """Split held-out samples at random into parts that choose, judge and tell the truth.

    Where there are too few for all sizes, all shrink in proportion.
    """
    count = len(held_out[0])
    share = min(1.0, count / sum(sizes.held_out))
    counts = [int(share * size) for size in sizes.held_out]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    parts = [take(held_out, rows) for rows in order[: sum(counts)].split(counts)]
    return Parts(take(train, slice(sizes.train)), *parts)
