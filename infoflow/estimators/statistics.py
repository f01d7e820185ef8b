"""The statistics of a layer that our estimators need, and how each is collected."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.bin_codes import bin_digests, number_digests
from infoflow.estimators.distances import finite_distances
from infoflow.interface import ArgumentError, Collector


@dataclass(frozen=True)
class Distances:
    """Statistic: squared Euclidean distances between all samples, float64, shape (N, N)."""

    def bytes_per_sample(self, units: int, itemsize: int) -> int:
        """Return the size of a sample's values: distances come from all of them."""
        return units * itemsize

    def collector(
        self, units: int, samples: int, *, dtype: torch.dtype, device: torch.device
    ) -> Collector:
        """Return what keeps the values and makes distances of them.

        A pass over a loader takes slices of a layer's units instead, see
        :mod:`infoflow.capture.collect`.
        """
        return _DistanceCollector(units, samples, dtype, device)

    def select(self, statistic: Tensor, keep: Tensor) -> Tensor:
        """Return the distances between some of the samples."""
        return statistic.index_select(0, keep).index_select(1, keep)


@dataclass(frozen=True)
class Codes:
    """Statistic: which samples share a bin code, int64 class numbers, shape (N,).

    Parameters
    ----------
    bin_size
        Width of a bin, in the units of the activation.
    """

    bin_size: float

    def bytes_per_sample(self, units: int, itemsize: int) -> int:
        """Return the size of a code."""
        return 16

    def collector(
        self, units: int, samples: int, *, dtype: torch.dtype, device: torch.device
    ) -> Collector:
        """Return what keeps a hash of each sample's bins."""
        return _CodeCollector(self.bin_size, device)

    def select(self, statistic: Tensor, keep: Tensor) -> Tensor:
        """Return the codes of some of the samples."""
        return statistic[keep]


@dataclass(frozen=True)
class Values:
    """Statistic: the values themselves, float32 or float64, shape (N, units).

    The whole layer has to fit into the memory budget.
    """

    def bytes_per_sample(self, units: int, itemsize: int) -> int:
        """Return the size of a sample's values."""
        return units * itemsize

    def collector(
        self, units: int, samples: int, *, dtype: torch.dtype, device: torch.device
    ) -> Collector:
        """Return what keeps the values."""
        return ValueCollector(units, samples, dtype, device)

    def select(self, statistic: Tensor, keep: Tensor) -> Tensor:
        """Return the values of some of the samples."""
        return statistic[keep]


@dataclass(frozen=True)
class Draws:
    """Statistic: several draws of a layer's value before its own noise, (N, count, units).

    Only a net with noise inside has it, see :class:`infoflow.NoisyNet`. The values are in units of
    the noise's standard deviation.

    Parameters
    ----------
    count
        How often each sample goes through the net.
    seed
        Seed of the net's noise.
    """

    count: int
    seed: int

    def bytes_per_sample(self, units: int, itemsize: int) -> int:
        """Return the size of all draws of a sample."""
        return self.count * units * itemsize

    def collector(
        self, units: int, samples: int, *, dtype: torch.dtype, device: torch.device
    ) -> Collector:
        """Raise an ArgumentError: plain values have no draws."""
        raise ArgumentError(
            "Draws need Gaussian noise inside a net, got plain values. Use "
            "infoflow.analyze(infoflow.NoisyNet(model, beta=0.1), loader, estimator=...), or "
            "estimator='kde', whose noise is added for the measurement only."
        )


class ValueCollector:
    """Keeps a copy of the values of all samples."""

    def __init__(self, units: int, samples: int, dtype: torch.dtype, device: torch.device) -> None:
        self._values = torch.empty(samples, units, dtype=dtype, device=device)

    def add(self, start: int, values: Tensor) -> None:
        """Take the values of some samples."""
        self._values[start : start + len(values)] = values

    def result(self) -> Tensor:
        """Return the values, (N, units)."""
        return self._values


class _DistanceCollector(ValueCollector):
    def result(self) -> Tensor:
        return finite_distances(super().result())


class _CodeCollector:
    def __init__(self, bin_size: float, device: torch.device) -> None:
        self._bin_size = bin_size
        self._device = device
        self._digests: list[bytes] = []

    def add(self, start: int, values: Tensor) -> None:
        self._digests += bin_digests(values, self._bin_size)

    def result(self) -> Tensor:
        return number_digests(self._digests).to(self._device)
