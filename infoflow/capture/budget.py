"""How much memory a capture may use, and how many passes that makes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infoflow.estimators.distances import CHUNK_BYTES
from infoflow.interface import ArgumentError, Layer, MemoryBudgetError, Statistic

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}

#: N×N float64 matrices alive at once: a Gram matrix, what an estimator makes of it, and a margin.
MATRICES = 12


def parse_bytes(budget: int | float | str) -> int:
    """Return a memory budget in bytes: a number of bytes, or a string such as ``"2GB"``.

    Examples
    --------
    >>> parse_bytes("1.5 GB"), parse_bytes(4096)
    (1500000000, 4096)
    """
    if isinstance(budget, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*", budget.upper())
        if match is None or match[2] not in _UNITS:
            raise ArgumentError(
                "memory_budget must be a number of bytes or a string such as '2GB', got "
                f"{budget!r}."
            )
        budget = float(match[1]) * _UNITS[match[2]]
    if not isinstance(budget, (int, float, np.number)) or not 0 < budget < math.inf:
        raise ArgumentError(
            f"memory_budget must be a number of bytes greater than 0, or a string such as '2GB', "
            f"got {budget!r}."
        )
    return int(budget)


def format_bytes(number: float) -> str:
    """Return a number of bytes as people read it: ``"6.1 GB"``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def enough_bytes(number: float) -> str:
    """Return as many bytes as :func:`format_bytes` would, but no fewer than ``number``.

    Examples
    --------
    >>> format_bytes(33_940_000), enough_bytes(33_940_000)
    ('33.9 MB', '34 MB')
    """
    digit = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 2)
    return format_bytes(math.ceil(number / digit) * digit)


@dataclass(frozen=True)
class ColumnSlice:
    """Columns ``start`` to ``stop`` of a layer's units, collected in one pass."""

    layer: Layer
    start: int
    stop: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.stop - self.start

    @property
    def is_last(self) -> bool:
        """Whether the layer is complete with this slice."""
        return self.stop == self.layer.units


def plan_passes(
    layers: Sequence[Layer], samples: int, budget: int, bytes_per_value: int
) -> list[list[ColumnSlice]]:
    """Divide the layers' units over as few passes as the budget allows.

    A pass holds its columns for all samples; beside them live a few N×N matrices and the chunk that
    is being multiplied.

    Raises
    ------
    MemoryBudgetError
        If not even one column fits; says how much would.
    """
    column = samples * bytes_per_value
    fixed = fixed_bytes(samples)
    columns = (budget - fixed) // column
    if columns < 1:
        raise MemoryBudgetError(
            f"memory_budget of {format_bytes(budget)} does not hold one unit of one layer for "
            f"{samples} samples. Expected at least {enough_bytes(fixed + column)}, of which "
            f"{format_bytes(fixed)} are for {samples}×{samples} distances and working space. Raise "
            "it, or use fewer samples."
        )
    passes: list[list[ColumnSlice]] = []
    room = 0
    for layer in layers:
        start = 0
        while start < layer.units:
            if room == 0:
                passes.append([])
                room = columns
            stop = min(layer.units, start + room)
            passes[-1].append(ColumnSlice(layer, start, stop))
            room -= stop - start
            start = stop
    return passes


def plan_whole_layers(
    layers: Sequence[Layer], samples: int, statistic: Statistic, budget: int, bytes_per_value: int
) -> list[list[Layer]]:
    """Divide whole layers over as few passes as the budget allows, in their order.

    Half of the budget is left to what an estimator makes of the statistic.

    Raises
    ------
    MemoryBudgetError
        If a layer does not fit; says how much would.
    """
    passes: list[list[Layer]] = []
    room = 0
    for layer in layers:
        need = 2 * samples * statistic.bytes_per_sample(layer.units, bytes_per_value)
        if need > budget:
            raise MemoryBudgetError(
                f"memory_budget of {format_bytes(budget)} does not hold layer {layer.name} "
                f"({layer.units} units) for {samples} samples. Expected at least "
                f"{enough_bytes(need)}, since this estimator needs all values of a layer at once. "
                "Raise it, use fewer samples, or choose smaller layers."
            )
        if need > room:
            passes.append([])
            room = budget
        passes[-1].append(layer)
        room -= need
    return passes


def fixed_bytes(samples: int) -> int:
    """Return what a capture needs beside its columns."""
    return MATRICES * 8 * samples**2 + 2 * CHUNK_BYTES
