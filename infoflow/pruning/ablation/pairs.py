"""What each sample loses more in one net than in another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from infoflow.pruning.ablation.losses import SampleBits, SampleLoss

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paired:
    """How much more each sample loses in one net than in another, and what it weighs.

    Parameters
    ----------
    rises
        (N,) float64, the sum over a sample's labels of what is lost more.
    weights
        (N,) float64, number of labels of each sample; in a regression, the whole net's loss, which
        may be 0, and samples without labels are left out.
    is_ratio
        Whether the value is ½ log₂(1 + mean) and not the mean: in a regression.
    """

    rises: Floats
    weights: Floats
    is_ratio: bool = False

    @property
    def samples(self) -> int:
        """Number of samples that count."""
        return len(self.counted.rises)

    @property
    def counted(self) -> Paired:
        """Only the samples that have labels."""
        if self.is_ratio or (self.weights > 0).all():
            return self
        has_labels = self.weights > 0
        return Paired(self.rises[has_labels], self.weights[has_labels])

    @property
    def rates(self) -> Floats:
        """(N,) rise of each counted sample for a weight of one; in a regression, the mean weight.

        What a sample of a regression weighs is what the whole net loses there, which can be next to
        nothing, so that a rise for each unit of it says little.
        """
        counted = self.counted
        return counted.rises / (counted.weights.mean() if self.is_ratio else counted.weights)

    @property
    def reversed(self) -> Paired:
        """The same with losses as gains."""
        return Paired(-self.rises, self.weights, self.is_ratio)

    def to_bits(self, mean: float) -> float:
        """Turn a weighted mean of rises into bits; the order of means is kept."""
        if not self.is_ratio:
            return mean
        return 0.5 * math.log2(1.0 + mean) if mean > -1.0 else -math.inf

    def to_mean(self, bits: float) -> float:
        """Turn bits into the weighted mean of rises that they stand for."""
        return 4.0**bits - 1.0 if self.is_ratio else bits


def paired(loss: SampleLoss, whole: SampleBits, other: SampleBits) -> Paired:
    """Return what each sample loses more in ``other`` than in ``whole``.

    Parameters
    ----------
    loss
        The loss that both were measured with.
    whole, other
        (N,) bits per label and numbers of labels of the same samples, in the same order.

    Examples
    --------
    >>> import torch
    >>> from infoflow.pruning.ablation.losses import resolve_loss
    >>> truth = torch.tensor([[1.0], [2.0], [3.0]])
    >>> near, far = truth + 0.1, truth + 0.2
    >>> loss = resolve_loss("regression", output=near, target=truth)
    >>> pairs = paired(loss, loss(near, truth), loss(far, truth))
    >>> round(pairs.to_bits(weighted_mean(pairs)), 3)  # four times the squared error: one bit
    1.0
    """
    labels = _array(whole.labels)
    rises = (_array(other.bits) - _array(whole.bits)) * labels
    if not loss.is_ratio:
        return Paired(rises, labels)
    has_labels = labels > 0
    weights = _array(whole.bits) * labels
    return Paired(rises[has_labels], weights[has_labels], is_ratio=True)


def _array(values: Tensor) -> Floats:
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)


def weighted_mean(pairs: Paired) -> float:
    """Return the sum of rises over the sum of weights."""
    return float(pairs.rises.sum() / pairs.weights.sum())
