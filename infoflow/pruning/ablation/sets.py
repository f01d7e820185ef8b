"""Which sets of streams are measured together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from infoflow.interface import ArgumentError, PruningError
from infoflow.pruning.ablation.frontier import Walk, greedy_order, walk
from infoflow.pruning.ablation.nets import Examined, lost_bits
from infoflow.pruning.ablation.shapley import MOST, all_sets, shapley_shares
from infoflow.pruning.ablation.stages import Session
from infoflow.pruning.ablation.stream_rows import is_saving
from infoflow.pruning.choice import StreamNames
from infoflow.pruning.variants import silenced


@dataclass(frozen=True, eq=False)
class SetSearch:
    """Finds and measures sets of streams.

    Parameters
    ----------
    session
        What measures single streams and sets.
    examined
        By name, the best net without a single stream.
    enough
        A set that loses no more bits than this is not mended further.
    """

    session: Session
    examined: Mapping[str, Examined]
    enough: float = 0.0

    def frontier(self, tolerance: float, alone: Collection[str] = ()) -> Walk:
        """Return the nested sets within the tolerance, on the samples that choose.

        Streams that can go ``alone``, by the samples that judge, are tried last where those that
        choose say that they cost too much. What saves nothing is in no set unless it was named.
        """
        lost = {
            name: found.menders[found.mender]
            for name, found in self.examined.items()
            if self.session.is_named or is_saving(*self._saved(name))
        }
        cheap = [name for name, bits in lost.items() if bits <= tolerance]
        others = [name for name in lost if name in alone and name not in cheap]
        names = self._one_of_each([*cheap, *others])
        left = [name for name in (*cheap, *others) if name not in names]
        order = self._order([name for name in names if name in cheap], lost)
        order += self._order([name for name in names if name in others], lost)
        order += sorted(left, key=lambda name: lost[name])  # where the other one cannot go
        with self.session.bar("frontier", len(order)) as advance:

            def measure(chosen: Sequence[str]) -> Examined | None:
                try:
                    return self.session.examine(chosen, self.enough, advance)
                except PruningError:
                    return None  # without these, no way is left

            return walk(order, tolerance, measure, alone)

    def _one_of_each(self, names: Sequence[str]) -> list[str]:
        """Leave out streams of a merge that could all go, but one has to stay: what saves least."""
        by_name = {stream.name: stream for stream in self.session.streams}
        merges = {merge.name: set(merge.streams) for merge in self.session.bench.graph.merges}
        chosen = list(names)
        for merge, sources in merges.items():
            own = [name for name in chosen if by_name[name].merge == merge]
            if {by_name[name].source for name in own} >= sources:
                chosen.remove(min(own, key=self._saved))
        return chosen

    def _saved(self, name: str) -> tuple[float, float]:
        savings = self.examined[name].savings
        return savings.parameters, savings.multiply_adds

    def _order(self, names: Sequence[str], lost: Mapping[str, float]) -> list[str]:
        """Return streams in the order in which they are expected to cost least together.

        Mended, by what no refit brings back jointly; as it is, by ½ E[(g·v)²] jointly; where that
        is not known, by what they lose alone.
        """
        if self.session.residuals is not None:
            return self.session.residuals.order(names, lost)
        ranked = self.session.screen
        if ranked is None or np.isnan(ranked.joint).any():
            return sorted(names, key=lambda name: lost[name])
        return greedy_order(names, ranked.of_set)

    def shapley(self) -> dict[str, float]:
        """Return exact Shapley shares of the loss as it is, of at most 12 streams."""
        names = [stream.name for stream in self.session.streams]
        if len(names) > MOST:
            raise ArgumentError(
                f"sets='all' measures every set of streams, of at most {MOST} streams, got "
                f"{len(names)}. Name those that you ask about as streams=."
            )
        bench = self.session.bench
        variants = {
            " + ".join(chosen): silenced(
                bench.graph, StreamNames.of(chosen, bench.graph), bench.footprint
            )
            for chosen in all_sets(names)
        }
        scores = self.session.measure(variants, "all sets")
        judge, measured = bench.held_out.parts.judge, bench.held_out.measured
        whole = self.session.whole.part(judge, measured)
        losses = {
            frozenset(key.split(" + ")): lost_bits(bench, whole, one.part(judge, measured))
            for key, one in scores.items()
        }
        return shapley_shares(names, losses)
