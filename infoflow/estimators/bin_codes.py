"""Which samples share all bins: a hash of every sample's tuple of bins."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from infoflow.interface import ArgumentError

#: 128 bits: for a million samples the chance that any two codes collide is below 1e-26.
_DIGEST_BYTES = 16
_LARGEST_BIN = 2**31 - 1
#: Values that are put into bins at a time.
BLOCK = 2**20


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
    for block in values.split(max(1, BLOCK // max(values.shape[1], 1))):
        bins = torch.floor(block.to(torch.float64) / bin_size)
        largest = float(bins.abs().max()) if bins.numel() else 0.0
        if largest > _LARGEST_BIN:
            raise ArgumentError(
                f"bin_size {bin_size:g} is too small for activations as large as "
                f"{largest * bin_size:g}. Use a bin_size above {largest * bin_size / 2**31:.2g}."
            )
        for codes in bins.to(torch.int32).cpu().numpy():
            digests.append(hashlib.blake2b(codes.tobytes(), digest_size=_DIGEST_BYTES).digest())
    return digests


def number_digests(digests: Iterable[bytes]) -> Tensor:
    """Return (N,) int64 numbers, equal where the digests are equal."""
    numbers: dict[bytes, int] = {}
    return torch.tensor(
        [numbers.setdefault(d, len(numbers)) for d in digests], dtype=torch.int64, device="cpu"
    )
