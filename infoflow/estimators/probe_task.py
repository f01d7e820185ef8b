"""What probes are asked: Y cut into folds and pixels, and the features that go with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.estimators.hidden_weights import HIDDEN
from infoflow.estimators.probe_features import _as_maps, class_numbers, pixel_rows
from infoflow.estimators.probe_fits import held_out_losses
from infoflow.estimators.probes import Question, Split
from infoflow.estimators.void import IgnoreIndex
from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import did_you_mean, shown

Family = Literal["linear", "conv3x3", "mlp"]

#: Share of the training samples that tell when to stop.
_CHECK_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class ProbeTask:
    """Y, cut into folds, and the pixels of it that are asked for.

    Parameters
    ----------
    classes
        (samples, places) class numbers; one place per sample where Y is a label.
    fold
        (samples,) fold of each sample.
    places
        (samples, places) flat indices into the map, or None where Y is a label.
    size
        Height and width of the map, or None.
    seed
        Seed of the probes.
    """

    classes: Tensor
    fold: Tensor
    places: Tensor | None
    size: tuple[int, int] | None
    seed: int

    @property
    def unit(self) -> str:
        """``"bits per label"`` or ``"bits per pixel"``."""
        return "bits per label" if self.places is None else "bits per pixel"

    @property
    def count(self) -> int:
        """Number of classes."""
        return int(self.classes.max()) + 1

    def rows(self, values: Tensor, family: Family, start: int = 0) -> Tensor:
        """Return what a probe reads of the values of the samples from ``start`` on.

        A row per sample and place: (samples · places, d), or maps where a label is to be predicted
        by a convolution.
        """
        check_family(family)
        if self.places is None or self.size is None:
            return _as_maps(values) if family == "conv3x3" else values.flatten(1)
        places = self.places[start : start + len(values)].to(values.device)
        reach = 1 if family == "conv3x3" else 0
        return pixel_rows(_as_maps(values), places, self.size, reach).flatten(0, 1)

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def losses(
        self, streams: Sequence[Tensor], sets: Sequence[Sequence[int]], family: Family
    ) -> list[Tensor]:
        """Return the mean held-out loss of every sample, in bits, for each set of streams.

        Parameters
        ----------
        streams
            What probes read of each stream, as :meth:`rows` returns it.
        sets
            Numbers of the streams that a probe reads side by side. Without any, its loss is the
            null's.
        family
            Family of the probes.
        """
        used = [[stream for stream in members if streams[stream].shape[1]] for members in sets]
        device = streams[0].device if streams else torch.device("cpu")
        classes = self.classes.flatten().to(device)
        questions = [
            Question(classes, self.count, self.split(number).to(device), self.seed + number)
            for number in range(self.folds)
        ]
        found = held_out_losses(streams, used, questions, family)
        shape = self.classes.shape
        return [losses.view(shape).mean(dim=1) / math.log(2.0) for losses in found]

    def kind(self, family: Family) -> str:
        """Say what a number of bits about this question is of."""
        names = {
            "linear": "logistic regression",
            "mlp": f"one hidden layer of {HIDDEN} units",
            "conv3x3": f"one hidden 3×3 convolution of {HIDDEN} units",
        }
        where = ""
        if self.places is not None:
            where = f", at {self.places.shape[1]} random pixels of each image"
        return (
            f"usable information (V-information) for {names[family]}{where}, cross-fitted in "
            f"{self.folds} folds"
        )

    def split(self, number: int) -> Split:
        """Hold out one fold, and a fifth of the other samples to check with.

        A fold that no sample is in holds out nothing.
        """
        others = (self.fold != number).nonzero().squeeze(1)
        generator = torch.Generator().manual_seed(self.seed + number)
        others = others[torch.randperm(len(others), generator=generator, device="cpu")]
        checks = max(1, round(_CHECK_SHARE * len(others)))
        held_out = (self.fold == number).nonzero().squeeze(1)
        parts = (others[checks:], others[:checks], held_out)
        return Split(*(self._rows_of(samples) for samples in parts))

    def _rows_of(self, samples: Tensor) -> Tensor:
        width = self.classes.shape[1]
        return (
            samples[:, None] * width + torch.arange(width, dtype=torch.int64, device="cpu")
        ).flatten()


def ask(
    target: ArrayLike | Tensor,
    *,
    folds: int = 5,
    pixels: int = 64,
    seed: int = 0,
    ignore_index: IgnoreIndex = "usual",
) -> ProbeTask:
    """Cut Y into folds; of maps, choose the pixels among those that have a label."""
    labels = class_numbers(target, ignore_index)[1]
    for name, number, least in (("folds", folds, 2), ("pixels", pixels, 1)):
        if not isinstance(number, int) or number < least:
            raise ArgumentError(
                f"{name} must be a whole number of at least {least}, got {number!r}."
            )
    if len(labels) < 2 * folds:
        raise ArgumentError(
            f"folds must leave at least 2 samples in each, got {folds} folds for {len(labels)} "
            "samples. Use fewer folds or more samples."
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(
        len(labels), generator=generator, dtype=torch.float32, device="cpu"
    ).argsort()
    if labels.ndim == 1:
        # sorted by class, so that every fold has its share of each
        order = order[labels[order].argsort(stable=True)]
    fold = torch.empty(len(labels), dtype=torch.int64, device="cpu")
    fold[order] = torch.arange(len(labels), dtype=torch.int64, device="cpu") % folds
    if labels.ndim == 1:
        return ProbeTask(labels[:, None], fold, None, None, seed)
    flat = labels.flatten(1)
    chosen = torch.stack([_pixels(row, pixels, generator) for row in flat])
    size = (int(labels.shape[1]), int(labels.shape[2]))
    return ProbeTask(flat.gather(1, chosen), fold, chosen, size, seed)


def _pixels(row: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Return random pixels that have a label; where they are too few, some more than once."""
    order = torch.randperm(len(row), generator=generator, device="cpu")
    order = order[row[order] >= 0]
    width = min(pixels, len(row))
    return order.repeat(-(-width // len(order)))[:width]


def check_family(family: str) -> None:
    """Raise an ArgumentError for a family that is not known."""
    if not isinstance(family, str) or family not in get_args(Family):
        names = get_args(Family)
        raise ArgumentError(
            f"family must be one of {', '.join(names)}, got {shown(family)}."
            f"{did_you_mean(family, names)}"
        )
