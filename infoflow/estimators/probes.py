"""Small classifiers that are fitted and judged on different samples.

Each starts from the shares of the classes, is fitted on a part of the training samples, and is
stopped, or regularised, where the rest of them, the check rows, say so. Where nothing gains more
than a standard error there, it stays at the shares of the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Values that are standardised at a time: 1 MB of float64 stays near the processor.
_TILE = 2**17


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows a probe is fitted on, which tell when to stop, and which it is judged on."""

    fit: Tensor
    check: Tensor
    held_out: Tensor

    @property
    def training(self) -> Tensor:
        """All rows that the probe may see."""
        return torch.cat([self.fit, self.check])

    @property
    def order(self) -> Tensor:
        """All rows: those to fit, those to check, and those held out."""
        return torch.cat([self.fit, self.check, self.held_out])

    def sorted(self, device: torch.device) -> Split:
        """Return the split of rows that have been brought into this order."""
        sizes = (len(self.fit), len(self.check), len(self.held_out))
        rows = torch.arange(sum(sizes), dtype=torch.int64, device=device)
        return Split(*rows.split(sizes))


@dataclass(frozen=True, eq=False)
class Question:
    """Classes to be predicted, in the order of a :class:`Split`.

    Parameters
    ----------
    classes
        (rows,) class numbers: of the rows to fit, of those to check, and of those held out.
    count
        Number of classes.
    split
        Which rows these are, counted in this order.
    seed
        Seed of the probe.
    """

    classes: Tensor
    count: int
    split: Split
    seed: int

    @property
    def prior(self) -> Tensor:
        """Shares of the classes in training, half a sample added to each."""
        return class_shares(self.classes[: len(self.split.training)], self.count)


def mixed_losses(log_probabilities: Tensor, question: Question) -> Tensor:
    """Return −log p(class) of every held-out row, in nats.

    The probe's probabilities are mixed with the shares of the classes, with the weight of one
    sample, so that a class that training has not seen costs much but not infinitely much.
    """
    samples = len(question.split.training)
    mixed = (log_probabilities.exp() * samples + question.prior) / (samples + 1)
    return losses_of(mixed.log(), question.classes[question.split.held_out])


def class_shares(classes: Tensor, count: int) -> Tensor:
    """Return the share of each of ``count`` classes, half a sample added to each."""
    counts = torch.bincount(classes, minlength=count).to(torch.float64) + 0.5
    return counts / counts.sum()


def losses_of(log_probabilities: Tensor, classes: Tensor) -> Tensor:
    """Return −log p of each row's class."""
    return -log_probabilities.gather(1, classes[:, None]).squeeze(1).to(torch.float64)


def standardised(features: Tensor, rows: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Return float32 features of some rows, less their mean and divided by their deviation.

    Both is done in float64, so that neither scale nor offset matters.
    """
    found = torch.empty(
        (len(rows), *features.shape[1:]), dtype=torch.float32, device=features.device
    )
    step = max(1, _TILE // max(1, features[0].numel()))
    for part, out in zip(rows.to(features.device).split(step), found.split(step), strict=True):
        out.copy_(features.index_select(0, part).to(torch.float64).sub_(mean).div_(spread))
    return found


@dataclass(frozen=True, eq=False)
class Moments:
    """Number, mean, sum of squares and largest absolute value of some rows, for each channel.

    Squares are of differences from the mean, in units of ``unit``: squares of tiny values would
    be 0. Maps (N, C, H, W) have one of each per channel.
    """

    count: int
    mean: Tensor
    squares: Tensor
    largest: Tensor
    unit: Tensor


def moments_of(features: Tensor, parts: Sequence[Tensor]) -> list[Moments]:
    """Return the moments of the rows of each part, in float64."""
    axes = [axis for axis in range(features.ndim) if axis != 1]
    largest = features.abs().amax(dim=axes, keepdim=True).to(torch.float64)
    unit = torch.where(largest > 0, largest, 1.0)
    found = []
    for rows in parts:
        values = features.index_select(0, rows.to(features.device)).to(torch.float64)
        top = values.abs().amax(dim=axes, keepdim=True) if len(rows) else 0 * largest
        mean = values.mean(dim=axes, keepdim=True) if len(rows) else 0 * largest
        squares = values.sub_(mean).div_(unit).square_().sum(dim=axes, keepdim=True)
        number = values.numel() // max(1, features.shape[1])
        found.append(Moments(number, mean, squares, top, unit))
    return found


def mean_and_spread(parts: Sequence[Moments], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation over all parts, in float64.

    What is constant but for the rounding of ``dtype`` has an infinite deviation, so that dividing
    by it leaves nothing.
    """
    count = sum(part.count for part in parts)
    mean = sum((part.mean * (part.count / count) for part in parts), 0 * parts[0].mean)
    squares = sum(
        (part.squares + part.count * ((part.mean - mean) / part.unit).square() for part in parts),
        0 * parts[0].squares,
    )
    spread = (squares / count).sqrt() * parts[0].unit
    largest = torch.stack([part.largest for part in parts]).amax(dim=0)
    is_constant = spread <= 8 * torch.finfo(dtype).eps * largest
    return mean, torch.where(is_constant, torch.inf, spread)


def gains_surely(null: Tensor, losses: Tensor) -> bool:
    """Tell whether losses are below the null's by more than a standard error of the difference.

    Of many probes that learn nothing, the best on the check rows is a lucky one.
    """
    gains = null - losses
    error = gains.std(correction=0) / len(gains) ** 0.5
    return bool(gains.mean() > error)
