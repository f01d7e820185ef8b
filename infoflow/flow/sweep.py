"""Where a sweep of noise changes the order of the layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import xarray as xr

#: Differences below this share of the largest value are no order.
_TIE = 0.01


@dataclass(frozen=True)
class OrderChange:
    """What a step from one noise to the next does to the order of the layers.

    Parameters
    ----------
    before, after
        The two noises, as on the result's ``noise`` coordinate.
    kendall
        Kendall's rank correlation of the layers' values, 1 where the order is the same; NaN where
        all layers have one value.
    swapped
        Pairs of layers ``(a, b)``: a is above b before the step, and b above a after it, both by
        more than 1 % of the largest value.
    """

    before: str
    after: str
    kendall: float
    swapped: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        number = len(self.swapped)
        pairs = f"{number or 'no'} pair{'' if number == 1 else 's'} of layers swapped"
        return f"noise {self.before} → {self.after}: Kendall's tau {self.kendall:.2f}, {pairs}"


def order_changes(values: xr.DataArray) -> tuple[OrderChange, ...]:
    """Compare the order of layers at neighbouring points of a sweep, (noise, layer)."""
    from scipy import stats

    names = [str(name) for name in values["layer"].values]
    noises = [str(noise) for noise in values["noise"].values]
    changes = []
    for (first, before), (second, after) in pairwise(zip(noises, values.values, strict=True)):
        tie = _TIE * max(float(np.max(before)), float(np.max(after)))
        swapped = []
        for i, j in combinations(range(len(names)), 2):
            early, late = before[i] - before[j], after[i] - after[j]
            if min(abs(early), abs(late)) > tie and early * late < 0:
                swapped.append((names[i], names[j]) if early > 0 else (names[j], names[i]))
        tau = stats.kendalltau(before, after).statistic
        changes.append(OrderChange(first, second, float(tau), tuple(swapped)))
    return tuple(changes)
