"""Exact Shapley shares of few streams."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

#: More streams than this are refused: 4,096 sets.
MOST = 12


def all_sets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return every set of names but the empty one, the smallest first."""
    sizes = range(1, len(names) + 1)
    return [chosen for size in sizes for chosen in combinations(names, size)]


def shapley_shares(
    names: Sequence[str], losses: Mapping[frozenset[str], float]
) -> dict[str, float]:
    """Return what each stream adds to the loss, averaged over all orders in which they can go.

    The shares sum to the loss of all streams together.

    Parameters
    ----------
    names
        Names of the streams.
    losses
        Loss of each set of them; the empty one loses nothing.

    References
    ----------
    L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II (1953).

    Examples
    --------
    >>> losses = {frozenset("a"): 1.0, frozenset("b"): 0.0, frozenset("ab"): 3.0}
    >>> shapley_shares("ab", losses)
    {'a': 2.0, 'b': 1.0}
    """
    count = len(names)
    value = {frozenset[str](): 0.0, **losses}
    shares = {}
    for name in names:
        others = [other for other in names if other != name]
        total = 0.0
        for size in range(count):
            weight = 1 / (count * math.comb(count - 1, size))
            for chosen in map(frozenset, combinations(others, size)):
                total += weight * (value[chosen | {name}] - value[chosen])
        shares[name] = total
    return shares
