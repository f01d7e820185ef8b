"""Nested sets of streams that cost least together, measured as sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from infoflow.pruning.ablation.nets import Examined

#: Points that a frontier has at most, about.
_POINTS = 12
#: So many streams may cost too much one after the other, once a set was found.
_PATIENCE = 8

#: What a set of streams is expected to cost; only its order counts.
Expect = Callable[[Sequence[str]], float]
#: Measures a set of streams; None where it cannot go together.
Measure = Callable[[Sequence[str]], Examined | None]


@dataclass(frozen=True)
class Walk:
    """The sets that were measured on the way.

    Parameters
    ----------
    points
        The nested sets within the tolerance, the smallest first.
    refused
        Streams that were left out, since with them the set would cost too much.
    """

    points: tuple[Examined, ...]
    refused: tuple[str, ...]


def greedy_order(names: Sequence[str], expect: Expect) -> list[str]:
    """Return streams in an order in which each set of the first few is expected to cost least.

    Examples
    --------
    >>> costs = {"a": 2.0, "b": 1.0, "c": 1.5}
    >>> greedy_order(["a", "b", "c"], lambda chosen: sum(map(costs.get, chosen)))
    ['b', 'c', 'a']
    """
    left, chosen = list(names), list[str]()
    while left:
        best = min(left, key=lambda name: _known(expect([*chosen, name])))
        chosen.append(best)
        left.remove(best)
    return chosen


def _known(value: float) -> float:
    return math.inf if math.isnan(value) else value


def walk(
    order: Sequence[str], tolerance: float, measure: Measure, alone: Collection[str] = ()
) -> Walk:
    """Add streams in their order, measure the sets, and leave out streams that cost too much.

    Where many streams are left, several are added at a time; where a step costs too much, it is
    halved, and a single stream that costs too much is left out. The last point is the largest set
    within the tolerance that was tried; every stream is tried until one can go, and at most eight
    in a row that cannot after that.

    Parameters
    ----------
    order
        Names of streams.
    tolerance
        What a set may lose in bits per label, on the samples that choose.
    measure
        Measures a set.
    alone
        Streams that are known to be able to go alone, whatever they lose on the samples that
        choose.
    """
    points: list[Examined] = []
    refused: list[str] = []
    chosen: list[str] = []
    waiting = list(order)
    step = max(1, math.ceil(len(waiting) / _POINTS))
    failures = 0
    while waiting and (not points or failures < _PATIENCE):
        size = 1 if not points else min(step, len(waiting))
        names = [*chosen, *waiting[:size]]
        found = measure(names)
        if found is not None and (
            found.menders[found.mender] <= tolerance or (len(names) == 1 and names[0] in alone)
        ):
            chosen = names
            del waiting[:size]
            points.append(found)
            failures = 0
        elif size > 1:
            step = max(1, size // 2)
        else:
            refused.append(waiting.pop(0))
            failures += 1
    return Walk(tuple(points), (*refused, *waiting))
