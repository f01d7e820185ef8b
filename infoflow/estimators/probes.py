"""Small classifiers that are fitted and judged on different samples.

Each starts from the shares of the classes, is fitted on a part of the training samples, and is
stopped, or regularised, where the rest of them, the check rows, say so. Where nothing gains more
than a standard error there, it stays at the shares of the classes.
"""

from __future__ import annotations

import math
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

    def to(self, device: torch.device) -> Split:
        """Return the same rows, counted on a device."""
        return Split(*(rows.to(device) for rows in (self.fit, self.check, self.held_out)))


@dataclass(frozen=True, eq=False)
class Scaling:
    """What standardises the channels of a stream: values · factor + shift, both in float64."""

    factor: Tensor
    shift: Tensor

    @staticmethod
    def none(stream: Tensor) -> Scaling:
        """Return the scaling that leaves a stream as it is."""
        size = (1, stream.shape[1], *(1 for _ in stream.shape[2:]))
        one = torch.ones(size, dtype=torch.float64, device=stream.device)
        return Scaling(one, 0 * one)

    def of(self, stream: Tensor, rows: Tensor) -> Tensor:
        """Return some rows of a stream, standardised."""
        values = stream.index_select(0, rows)
        factor, shift = self.factor.to(stream.dtype), self.shift.to(stream.dtype)
        return torch.addcmul(shift, values, factor, out=values)

    def of_all(self, stream: Tensor) -> Tensor:
        """Return a stream, standardised."""
        return torch.addcmul(self.shift.to(stream.dtype), stream, self.factor.to(stream.dtype))


@dataclass(frozen=True, eq=False)
class Question:
    """Classes to be predicted, and the rows that a probe may see.

    Parameters
    ----------
    classes
        (rows,) class numbers.
    count
        Number of classes.
    split
        Numbers of the rows to fit, to check with, and to predict.
    seed
        Seed of the probe.
    scalings
        What standardises each stream for the rows to fit and to check with; None where they are
        standardised.
    """

    classes: Tensor
    count: int
    split: Split
    seed: int
    scalings: Sequence[Scaling] | None = None

    @property
    def prior(self) -> Tensor:
        """Shares of the classes in training, half a sample added to each."""
        return class_shares(self.classes[self.split.training], self.count)

    def scaling(self, streams: Sequence[Tensor], stream: int) -> Scaling:
        """Return what standardises a stream."""
        if self.scalings is None:
            return Scaling.none(streams[stream])
        return self.scalings[stream]

    def joined(self, streams: Sequence[Tensor], members: Sequence[int]) -> Scaling:
        """Return what standardises some streams side by side."""
        parts = [self.scaling(streams, stream) for stream in members]
        return Scaling(
            torch.cat([part.factor for part in parts], dim=1),
            torch.cat([part.shift for part in parts], dim=1),
        )


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


def standardised(features: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Return float32 features less their mean and divided by their deviation.

    Both is done in float64, so that neither scale nor offset matters.
    """
    found = torch.empty(features.shape, dtype=torch.float32, device=features.device)
    step = max(1, _TILE // max(1, math.prod(features.shape[1:])))
    for part, out in zip(features.split(step), found.split(step), strict=True):
        out.copy_((part.to(torch.float64) - mean).div_(spread))
    return found


def scalings_of(
    moments: Sequence[tuple[Tensor, Tensor]],
) -> tuple[tuple[Tensor, Tensor], list[Scaling]]:
    """Return a common mean and deviation, and what standardises by others after these.

    Of each channel the smallest deviation is the common one: a sample that is far from all others
    must not round the differences of these away for the fold that does not see it.

    Parameters
    ----------
    moments
        For each fold, means and deviations of the channels, as :func:`mean_and_spread` returns
        them.
    """
    means, spreads = (torch.stack(parts) for parts in zip(*moments, strict=True))
    spread, least = spreads.min(dim=0, keepdim=True)
    mean = means.gather(0, least)
    is_known = spreads.isfinite()
    unit = torch.where(spread.isfinite(), spread, 1.0)
    factors = torch.where(is_known, unit / spreads, 0.0)
    shifts = torch.where(is_known, (mean - means) / spreads, 0.0)
    scalings = [Scaling(*pair) for pair in zip(factors, shifts, strict=True)]
    return (mean[0], spread[0]), scalings


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
