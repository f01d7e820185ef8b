"""Whether learning rates agree at equal learning rate × steps: the pure part.

The criteria are those of *The authors' own learning rate* in ``docs/reproduce_details.rst``, which
were written before any result of them was seen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reproduction.clocks import common_looks, dice_ratios
from reproduction.curves import Curve, Numbers
from reproduction.study import Seed
from reproduction.verdicts import SLACK

#: With fewer seeds there is no verdict.
FEWEST_SEEDS = 3
#: The paper's epoch from which on losses and I(Y;M) are compared: one epoch at learning rate 0.1.
FROM = 100.0
#: Losses are compared from this share of the one at :data:`FROM`, over this share of the way down.
_BEGUN, _ENDED, _LEVELS = 0.9, 0.97, 5

#: The seeds of each rate, by their numbers.
Rates = Mapping[float, Mapping[int, Seed]]


def loss_ratios(one: Curve, other: Curve) -> list[float]:
    """Return how much more clock the other takes to five levels of training loss."""
    until = min(float(one.loss_clock[-1]), float(other.loss_clock[-1]))
    if until <= FROM:
        return []
    start = _BEGUN * min(_loss_at(curve, FROM) for curve in (one, other))
    end = max(_loss_at(curve, until) for curve in (one, other))
    if end >= start:
        return []
    levels = np.linspace(start, start - _ENDED * (start - end), _LEVELS)
    return [_falls(other, level) / _falls(one, level) for level in levels]


def clock_ratios(one: Seed, other: Seed) -> list[float]:
    """Return the ratios of the clocks of two Models 1 at equal Dice and at equal loss."""
    curves = one.curves[1], other.curves[1]
    return [*dice_ratios(*curves), *loss_ratios(*curves)]


def layer_distances(one: Seed, other: Seed) -> Numbers:
    """Return the mean difference of I(Y;M) in bits by layer, over looks at equal clocks.

    NaN where the two have no looks in common.
    """
    pairs = [(a, b) for a, b in common_looks(one, other) if one.clock[a] >= FROM]
    if not pairs:
        return np.full(one.read().shape[1], math.nan)
    rows, others = zip(*pairs, strict=True)
    apart = np.abs(one.read()[list(rows)] - other.read()[list(others)])
    return np.asarray(apart.mean(axis=0))


def between_rates(
    rates: Rates, one: float, other: float, read: Callable[[Seed, Seed], Any]
) -> dict[int, Any]:
    """Return what is read of each seed that both rates have."""
    both = sorted(set(rates[one]) & set(rates[other]))
    return {number: read(rates[one][number], rates[other][number]) for number in both}


def between_seeds(
    rates: Rates, one: float, other: float, read: Callable[[Seed, Seed], Any]
) -> list[Any]:
    """Return what is read of each pair of seeds at either of two rates."""
    return [
        read(*pair)
        for rate in (one, other)
        for pair in itertools.combinations(rates[rate].values(), 2)
    ]


def clocks_agree(apart: Sequence[Sequence[float]], chance: Sequence[float]) -> bool | None:
    """Tell whether two rates have one clock, from the ratios of each seed; None for cannot tell.

    Examples
    --------
    >>> clocks_agree([[0.9, 1.4], [1.1], [0.6, 1.0]], [0.4])
    True
    >>> clocks_agree([[0.9, 2.7], [2.6], [3.0, 1.0]], [0.4])
    False
    >>> clocks_agree([[0.9, 2.7], [2.1], [3.0, 1.0]], [0.4])
    >>> clocks_agree([[0.9, 1.4], [1.1]], [0.4])
    """
    if len(apart) < FEWEST_SEEDS or not all(apart):
        return None
    logs = [np.log(ratios) for ratios in apart]
    if all(np.abs(row).max() <= math.log(SLACK) for row in logs):
        return True
    limit = max([SLACK, *(max(ratio, 1 / ratio) for ratio in chance)])
    tops, bottoms = min(row.max() for row in logs), max(row.min() for row in logs)
    return False if max(tops, -bottoms) > math.log(limit) else None


def distances_agree(apart: Sequence[float], chance: Sequence[float]) -> bool | None:
    """Tell whether two rates are no further apart than two seeds are; None for cannot tell.

    Examples
    --------
    >>> distances_agree([0.1, 0.2, 0.1], [0.2, 0.4]), distances_agree([0.4, 0.5, 0.6], [0.2, 0.4])
    (True, False)
    >>> distances_agree([0.1, 0.2, 0.6], [0.2, 0.4]), distances_agree([0.1, 0.2], [0.2, 0.4])
    (None, None)
    """
    if len(apart) < FEWEST_SEEDS or not chance or not np.isfinite([*apart, *chance]).all():
        return None
    within = [value <= float(np.mean(chance)) for value in apart]
    return within[0] if len(set(within)) == 1 else None


def orders_agree(holds: Sequence[bool | None]) -> bool | None:
    """Tell whether all seeds say the same of an order; None for cannot tell.

    Examples
    --------
    >>> orders_agree([True, True, True]), orders_agree([False] * 3)
    (True, False)
    >>> orders_agree([True, True]), orders_agree([True, True, None])
    (None, None)
    """
    is_told = len(holds) >= FEWEST_SEEDS and len(set(holds)) == 1
    return holds[0] if is_told else None


def _loss_at(curve: Curve, clock: float) -> float:
    return float(np.interp(clock, curve.loss_clock[1:], curve.loss[1:]))


def _falls(curve: Curve, level: float) -> float:
    """Return the clock at which the loss first is as low as a level; infinity for never."""
    low = curve.loss <= level
    return float(curve.loss_clock[low.argmax()]) if low.any() else math.inf
