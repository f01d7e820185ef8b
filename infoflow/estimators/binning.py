"""Mutual information of a layer whose units are quantised."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.classes import (
    NOT_KNOWN,
    class_counts,
    entropy_of_counts,
    mean_within_classes,
    with_ceilings,
)
from infoflow.interface import ArgumentError, Codes, Estimate

#: 128 bits: for a million samples the chance that any two codes collide is below 1e-26.
_DIGEST_BYTES = 16
_LARGEST_BIN = 2**31 - 1


def bin_digests(values: Tensor, bin_size: float) -> list[bytes]:
    """Return a 128-bit hash of every row's tuple of bins, floor(m / bin_size).

    Parameters
    ----------
    values
        Shape (N, d), any floating dtype.
    bin_size
        Width of a bin.

    Raises
    ------
    ArgumentError
        If a bin number does not fit into 32 bits.
    """
    digests = []
    for row in values:
        bins = torch.floor(row.to(torch.float64) / bin_size)
        largest = float(bins.abs().max()) if len(bins) else 0.0
        if largest > _LARGEST_BIN:
            raise ArgumentError(
                f"bin_size {bin_size:g} is too small for activations as large as "
                f"{largest * bin_size:g}. Use a bin_size above {largest * bin_size / 2**31:.2g}."
            )
        codes = bins.to(torch.int32).cpu().numpy()
        digests.append(hashlib.blake2b(codes.tobytes(), digest_size=_DIGEST_BYTES).digest())
    return digests


def number_digests(digests: Iterable[bytes]) -> Tensor:
    """Return (N,) int64 numbers, equal where the digests are equal."""
    numbers: dict[bytes, int] = {}
    return torch.tensor([numbers.setdefault(d, len(numbers)) for d in digests], dtype=torch.int64)


def code_entropy(codes: Tensor) -> Tensor:
    """Return H(Bin(M)), in nats, of (N,) code numbers."""
    return torch.tensor(max(0.0, entropy_of_counts(class_counts(codes))), dtype=torch.float64)


def information_in_codes(
    codes: Tensor, labels: Tensor | None
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return I(X;Bin(M)) and I(Y;Bin(M)) of (N,) code numbers, each with its bounds, in nats."""
    entropy = code_entropy(codes)
    ixm = (float(entropy),) * 3
    if labels is None:
        return ixm, NOT_KNOWN
    within = mean_within_classes(labels, lambda members: code_entropy(codes[members]))
    return ixm, (max(0.0, float(entropy - within)),) * 3


@dataclass(frozen=True)
class Binning:
    """I(X;M) and I(Y;M) of a layer whose units are rounded down to bins of one size.

    The code of a sample is the tuple of its units' bins. For a deterministic net
    I(X;Bin(M)) = H(Bin(M)), which measures how the samples cluster (Goldfeld et al. 2019, section
    5), and I(Y;Bin(M)) is H(Bin(M)) less its mean within the classes of Y. Both are exact for the
    sample at hand.

    Parameters
    ----------
    bin_size
        Width of a bin, in the units of the activation. The paper says 0.2, its code 0.1.

    Raises
    ------
    ArgumentError
        If the bin size is not a positive number.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> values = np.array([[0.01], [0.02], [0.31], [0.32]])
    >>> infoflow.estimate(values, [0, 0, 1, 1], estimator=infoflow.Binning(bin_size=0.2)).iym
    1.0
    """

    bin_size: float = 0.2

    def __post_init__(self) -> None:
        if not isinstance(self.bin_size, (int, float)) or not 0 < self.bin_size < math.inf:
            raise ArgumentError(
                f"bin_size must be a number greater than 0, got {self.bin_size!r}. "
                "The paper uses 0.2."
            )

    @property
    def name(self) -> str:
        """``"binning"``."""
        return "binning"

    @property
    def statistic(self) -> Codes:
        """Which samples share a code."""
        return Codes(self.bin_size)

    @property
    def kind(self) -> str:
        """What the number is of."""
        return f"information in M quantised to bins of {self.bin_size:g}, exact for the sample"

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N,) code numbers and (N,) classes."""
        ixm, iym = information_in_codes(statistic, labels)
        return with_ceilings(ixm, iym, len(statistic), labels, self.kind)
