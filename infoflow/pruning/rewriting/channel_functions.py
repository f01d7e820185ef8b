"""Functions that pruned programs call, where torch has none that says it."""

from __future__ import annotations

import torch
from torch import Tensor

#: Start and length of each run of channels.
Runs = tuple[tuple[int, int], ...]


def keep_channels(value: Tensor, axis: int, runs: Runs) -> Tensor:
    """Return the channels of ``value`` that lie in ``runs``."""
    return torch.cat([value.narrow(axis, start, length) for start, length in runs], axis)


def blank_channels(value: Tensor, axis: int, runs: Runs) -> Tensor:
    """Return ``value`` with zeros in the channels that lie in ``runs``."""
    blank = value.clone()
    for start, length in runs:
        blank.narrow(axis, start, length).zero_()
    return blank


def as_mean(value: Tensor, mean: Tensor) -> Tensor:
    """Return ``mean``, of the shape of one sample, for each sample of ``value``."""
    return mean.to(value).expand_as(value)
