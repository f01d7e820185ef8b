"""Which of the streams that were put side by side a part of them holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from infoflow.graph.tracing.node_info import NodeInfo, Placement


@dataclass(frozen=True)
class Piece:
    """What one source fills of the concatenated dimension.

    ``is_in_order`` is False where the piece is known to be there, but not in which place.
    """

    source: str
    width: int
    is_in_order: bool = True


def widths_of(pieces: Iterable[Piece]) -> Mapping[str, int]:
    """Return how much each source fills in all its pieces together."""
    filled: Counter[str] = Counter()
    for piece in pieces:
        filled[piece.source] += piece.width
    return filled


@dataclass(frozen=True)
class ConcatPart:
    """A part of a concatenation, and where in memory the concatenation and the part lie.

    Parameters
    ----------
    pieces
        Of the whole concatenation, in their order in memory.
    step
        How far apart in memory neighbours of the concatenated dimension are.
    start
        Where the concatenation begins.
    size
        How many numbers it has.
    placement, shape
        Where the part lies, and how large it is.
    """

    pieces: tuple[Piece, ...]
    step: int
    start: int
    size: int
    placement: Placement
    shape: tuple[int, ...]

    @classmethod
    def whole(cls, pieces: tuple[Piece, ...], axis: int, fact: NodeInfo) -> ConcatPart | None:
        """Return the part that is all of a concatenation; None where memory does not tell."""
        at = fact.placement
        is_known = all(piece.is_in_order for piece in pieces)
        if at is None or not is_known or fact.shape[axis] != sum(p.width for p in pieces):
            return None
        size = math.prod(fact.shape)
        return cls(pieces, at.strides[axis], at.offset, size, at, fact.shape)

    def then(self, fact: NodeInfo, *, keeps_places: bool) -> ConcatPart | None:
        """Return what an operation on the part alone has made of it; None where it cannot be told.

        Parameters
        ----------
        fact
            Of the value that was made.
        keeps_places
            Whether every number of a value of the same shape comes from the same place.
        """
        at = fact.placement
        if at is None:
            return None
        if at.memory == self.placement.memory and not issubclass(fact.kind, Tensor):
            return self  # parts of it in a tuple, of which one is taken next
        if at.memory == self.placement.memory:
            return replace(self, placement=at, shape=fact.shape)
        same = fact.shape == self.shape and at.strides == self.placement.strides
        if not (keeps_places and same):
            return None
        start = self.start + at.offset - self.placement.offset
        return replace(self, start=start, placement=at, shape=fact.shape)

    @property
    def is_whole(self) -> bool:
        """Whether no number is left out."""
        return math.prod(self.shape) == self.size

    def lies_along(self, axis: int) -> bool:
        """Tell whether a dimension of the part is the concatenated one."""
        return self.placement.strides[axis : axis + 1] == (self.step,)

    def widths(self) -> Mapping[str, int]:
        """Return how much of the concatenated dimension each source fills within the part."""
        total = sum(piece.width for piece in self.pieces)
        places = np.full(1, self.placement.offset - self.start)
        for size, stride in self._steps():
            # where a dimension repeats the concatenated one, its places are the same
            places = np.unique(np.add.outer(places, np.arange(size) * stride) % (self.step * total))
        positions = np.unique(places // self.step)
        owners = [piece.source for piece in self.pieces for _ in range(piece.width)]
        return Counter(owners[position] for position in positions)

    def _steps(self) -> list[tuple[int, int]]:
        """Return size and stride of the dimensions that move along the concatenated one."""
        round_ = self.step * sum(piece.width for piece in self.pieces)
        steps = list(zip(self.shape, self.placement.strides, strict=True))
        moving = [(size, stride) for size, stride in steps if size > 1 and stride % round_]
        within = [(size, stride) for size, stride in moving if stride < self.step]
        first = (self.placement.offset - self.start) % self.step
        if first + sum((size - 1) * stride for size, stride in within) < self.step:
            moving = [pair for pair in moving if pair not in within]
        return moving
