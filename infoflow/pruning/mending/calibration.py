"""The samples that mend, and which of their positions a regression sees."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import PruningError

#: A regression sees all positions of all samples, or this many for each of its unknowns.
ROWS_PER_UNKNOWN = 32
#: It sees at least this many, where there are so many.
FEWEST_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples that mend; labels are not needed.

    Parameters
    ----------
    batches
        Goes through the samples once; the same batches every time.
    count
        Number of samples.
    fingerprint
        A digest of them.
    """

    batches: Callable[[], Iterable[Batch]]
    count: int
    fingerprint: str

    @classmethod
    def of(cls, samples: Samples) -> Calibration:
        """Return all samples of a loader, after one pass over it where there was none yet."""
        if not samples.checksums:
            for _ in samples.batches():
                pass
        digest = hashlib.sha256(repr(samples.checksums).encode()).hexdigest()[:16]
        return cls(samples.batches, samples.count, digest)


def share_of_rows(unknowns: int, rows: int, per_unknown: int = ROWS_PER_UNKNOWN) -> float:
    """Return the share of all rows that a regression sees.

    Examples
    --------
    >>> share_of_rows(unknowns=9, rows=40_000)
    0.5
    """
    return min(1.0, max(FEWEST_ROWS, per_unknown * unknowns) / max(rows, 1))


def choose_rows(count: int, first: int, share: float, seed: int) -> Tensor:
    """Return which rows of a batch a regression sees, (n,) ascending.

    Each is chosen by a hash of its number among all rows, so the choice depends on the seed and
    the order of the samples, and not on how they are divided into batches.

    Parameters
    ----------
    count
        Number of the batch's rows.
    first
        Number of its first row among all.
    share
        Share of the rows that are chosen, on average.
    seed
        Another one for each layer.
    """
    if share >= 1:
        return torch.arange(count, dtype=torch.int64, device="cpu")
    numbers = np.arange(first, first + count, dtype=np.uint64)
    chosen = _mixed(numbers + _mixed(np.array([seed], np.uint64))) < np.uint64(share * 2.0**64)
    return torch.from_numpy(np.flatnonzero(chosen))


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Return 64 bits that look random for each number (splitmix64; Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def check_alike(example: Arguments, given: Arguments) -> None:
    """Raise a PruningError where the samples that mend are of other shapes or types."""
    if given.sample_shapes != example.sample_shapes:
        raise PruningError(
            f"calibrate= must have samples like the example, of shapes {example.sample_shapes}, "
            f"got {given.sample_shapes}. Prune with an example of the size that is calibrated."
        )
    wanted, got = (
        ", ".join(str(tensor.dtype).removeprefix("torch.") for tensor in call.tensors)
        for call in (example, given)
    )
    if got != wanted:
        raise PruningError(
            f"calibrate= must have samples like the example, of type {wanted}, got {got}. Convert "
            "them in the dataset."
        )
