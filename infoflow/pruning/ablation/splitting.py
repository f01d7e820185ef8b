"""Held-out samples in disjoint parts that mend, choose and judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.bounds import FEWEST_SAMPLES

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parts:
    """Numbers of the samples in each part, ascending; no sample is in two.

    Parameters
    ----------
    mend, choose, judge
        (n,) int64. The first refits, the second chooses between menders and sets, and only the
        last gives numbers and verdicts.
    """

    mend: Rows
    choose: Rows
    judge: Rows

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of samples that mend, choose and judge."""
        return len(self.mend), len(self.choose), len(self.judge)


def split_samples(
    count: int,
    *,
    seed: int = 0,
    shares: Sequence[float] = (0.4, 0.2, 0.4),
    classes: ArrayLike | Tensor | None = None,
) -> Parts:
    """Split samples at random into parts that mend, choose and judge.

    Parameters
    ----------
    count
        Number of samples.
    seed
        Seed of the split.
    shares
        What share of the samples mends, chooses and judges; a share may be 0, but not the last.
    classes
        (count,) class of each sample, where known: every part then has its share of each class, to
        a sample.

    Raises
    ------
    ArgumentError
        If fewer than 64 samples would judge, the shares do not sum to 1, or there is not one class
        a sample.

    Examples
    --------
    >>> split_samples(400).sizes
    (160, 80, 160)
    """
    portions = _checked_shares(shares)
    order = _order(count, seed, classes)
    judging = count - sum(_ends(count, portions)[-1:])
    if judging < FEWEST_SAMPLES:
        wanted = int(np.ceil(FEWEST_SAMPLES / portions[2]))
        raise ArgumentError(
            f"A verdict needs at least {FEWEST_SAMPLES} samples to judge with, got {judging} of "
            f"{count} with shares {tuple(shares)}. Pass {wanted} samples or more, or calibrate= "
            "other samples, so that fewer are needed to mend."
        )
    first, second = _ends(count, portions)
    return Parts(*(np.sort(part) for part in np.split(order, (first, second))))


def _ends(count: int, portions: tuple[float, float, float]) -> tuple[int, int]:
    return round(count * portions[0]), round(count * (portions[0] + portions[1]))


def _checked_shares(shares: Sequence[float]) -> tuple[float, float, float]:
    values = tuple(float(share) for share in shares)
    is_usable = len(values) == 3 and min(values) >= 0 and values[2] > 0
    if not is_usable or abs(sum(values) - 1) > 1e-6:
        raise ArgumentError(
            f"shares must be three numbers that sum to 1, for mending, choosing and judging, the "
            f"last above 0, got {tuple(shares)}. Use (0.4, 0.2, 0.4)."
        )
    return values[0], values[1], values[2]


def _order(count: int, seed: int, classes: ArrayLike | Tensor | None) -> Rows:
    """Return the samples in an order of which every stretch has its share of each class."""
    generator = np.random.default_rng(seed)
    if classes is None:
        return generator.permutation(count)
    given = classes.detach().cpu().numpy() if isinstance(classes, Tensor) else np.asarray(classes)
    if given.shape != (count,):
        raise ArgumentError(
            f"classes must hold the class of each of {count} samples, got shape {given.shape}."
        )
    places = np.empty(count)
    for name in np.unique(given):
        rows = generator.permutation(np.flatnonzero(given == name))
        places[rows] = (np.arange(len(rows)) + generator.random()) / len(rows)
    return np.argsort(places, kind="stable").astype(np.int64)
