"""What no linear refit brings back of the streams that are ablated, alone and in which order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from infoflow.interface import Skip
from infoflow.pruning.ablation.bench import Bench, Floats
from infoflow.pruning.mending.calibration import Calibration
from infoflow.pruning.mending.reader_moments import reader_moments
from infoflow.pruning.mending.residuals import ReaderMoments, greedy_order, residual_bits

#: Share of the memory budget that the largest Gram matrix may use.
_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residual bits of streams; only their order counts.

    Parameters
    ----------
    streams
        The streams.
    merges
        By name of a merge, what its readers read and make of it.
    """

    streams: tuple[Skip, ...]
    merges: Mapping[str, Sequence[ReaderMoments]]

    def knows(self, stream: Skip) -> bool:
        """Tell whether a stream is read where a regression was possible."""
        return any(stream.name in one.streams for one in self.merges.get(stream.merge, ()))

    def alone(self) -> Floats:
        """Return the residual bits of each stream alone, NaN where they are not known."""
        return np.array(
            [
                residual_bits(self.merges[stream.merge], [stream.name])
                if self.knows(stream)
                else math.nan
                for stream in self.streams
            ]
        )

    def order(self, names: Sequence[str], lost: Mapping[str, float]) -> list[str]:
        """Return streams in the order in which they cost least together.

        Those that are not known come last, in the order of what they lose alone.
        """
        steps = greedy_order(self.merges, names)
        known = [step.stream for step in steps]
        return [*known, *sorted(set(names) - set(known), key=lambda name: lost[name])]


def residuals(
    bench: Bench, streams: tuple[Skip, ...], calibration: Calibration, seed: int = 0
) -> Residuals:
    """Return the residual bits of streams, from one run of the whole net over what mends."""
    merges = reader_moments(
        bench.graph,
        bench.footprint,
        calibration,
        merges={stream.merge for stream in streams},
        budget=int(bench.budget * _SHARE),
        seed=seed,
    )
    return Residuals(streams, merges)
