"""What streams into a merge know of Y, from the distances of anchors to all samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from infoflow.capture.layer_anchors import AnchorBlock
from infoflow.estimators.anchored_sums import AnchoredSums
from infoflow.estimators.noise import Noise, Relative
from infoflow.estimators.rows import Rows
from infoflow.estimators.shuffles import Shuffles
from infoflow.flow.stream_information import StreamRow
from infoflow.flow.stream_parts import StreamPart, known_from, part_of
from infoflow.interface import Merge


def stream_sets(merge: Merge) -> list[tuple[int, ...]]:
    """Return the sets of a merge's streams whose kernels are summed: all, all but one, and one."""
    every = tuple(range(len(merge.streams)))
    rests = [tuple(one for one in every if one != left) for left in every]
    return list(dict.fromkeys([every, *rests, *((one,) for one in every)]))


class AnchoredMerge:
    """Sums of kernels for the streams of one merge.

    Parameters
    ----------
    merge
        The merge.
    noises
        The noises to measure with.
    factor
        What times the noise variance squared distances are divided by.
    rows, classes
        The anchors, and (N,) classes, numbered from 0.
    shuffles
        The classes in other orders.
    """

    def __init__(
        self,
        merge: Merge,
        noises: Sequence[Noise],
        factor: float,
        rows: Rows,
        classes: Tensor,
        shuffles: Shuffles,
    ) -> None:
        self._merge, self._noises, self._factor = merge, noises, factor
        self._classes = classes
        pair = len(merge.streams) == 2
        self._sums = [
            {
                chosen: AnchoredSums(rows, classes, shuffles if pair or len(chosen) > 1 else None)
                for chosen in stream_sets(merge)
            }
            for _ in noises
        ]

    def add(self, blocks: Mapping[str, AnchorBlock]) -> None:
        """Add a block of samples: the distances of every stream, by its source."""
        own = [blocks[source] for source in self._merge.streams]
        for noise, sums in zip(self._noises, self._sums, strict=True):
            parts = [block.distances * self._per_distance(block, noise) for block in own]
            for chosen, kept in sums.items():
                exponents = parts[chosen[0]] if len(chosen) == 1 else _sum(parts, chosen)
                kept.add(torch.exp(-exponents), own[0].samples)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return [one for sums in self._sums for kept in sums.values() for one in kept.sums()]

    def rows(self) -> list[StreamRow]:
        """Return what each stream knows, when all samples were added."""
        by_noise = [self._parts(sums) for sums in self._sums]
        return [
            StreamRow(self._merge, source, tuple(parts))
            for source, *parts in zip(self._merge.streams, *by_noise, strict=True)
        ]

    def _parts(self, sums: Mapping[tuple[int, ...], AnchoredSums]) -> list[StreamPart]:
        known = {chosen: known_from(kept.result(), self._classes) for chosen, kept in sums.items()}
        every = tuple(range(len(self._merge.streams)))
        return [
            part_of(
                known[(one,)],
                known[tuple(other for other in every if other != one)],
                known[every],
                self._classes,
            )
            for one in every
        ]

    def _per_distance(self, block: AnchorBlock, noise: Noise) -> float:
        # a stream that is constant says nothing, with whatever noise
        scale = noise.share * (block.variance or 1.0) if isinstance(noise, Relative) else noise
        return 1.0 / (self._factor * scale)


def _sum(parts: Sequence[Tensor], chosen: Sequence[int]) -> Tensor:
    """Add up what may differ by many orders; differences of such sums would lose the small ones."""
    total = parts[chosen[0]] + parts[chosen[1]]
    for one in chosen[2:]:
        total += parts[one]
    return total
