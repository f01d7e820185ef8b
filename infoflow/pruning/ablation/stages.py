"""The stages of an ablation, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from tqdm.auto import tqdm

from infoflow.graph.running.ranks import ALONE, Ranks
from infoflow.interface import PruningError, Skip
from infoflow.interface.argument_checks import noted
from infoflow.pruning.ablation.accounting import Accountant
from infoflow.pruning.ablation.bench import Advance, Bench, Scores
from infoflow.pruning.ablation.clock import Clock
from infoflow.pruning.ablation.forward_passes import VariantCosts
from infoflow.pruning.ablation.journal import Journal, pack_scores, unpack_scores
from infoflow.pruning.ablation.nets import (
    Examined,
    MenderName,
    Workshop,
    lost_bits,
)
from infoflow.pruning.ablation.repairing import Refit
from infoflow.pruning.ablation.residual_order import Residuals, residuals
from infoflow.pruning.ablation.screening import Screen, screen
from infoflow.pruning.choice import StreamNames
from infoflow.pruning.variants import Variant, silenced

#: Up to this many streams are all measured; of more, as many as the passes below allow.
FEW = 64
#: Forward passes that measuring plain cuts may take where streams are ranked first.
PASSES = 30.0
#: Streams of a ranking that are mended.
MOST_MENDED = 32

_WHOLE = "whole"


@dataclass(frozen=True, eq=False)
class Session:
    """Measures streams and sets of a net.

    Parameters
    ----------
    bench
        What the ablation is of.
    streams, is_named
        The streams, and whether the caller has named them.
    menders, refit
        What is tried beside the plain cut, and what refits; None where nothing is mended.
    journal
        Keeps what was measured.
    shows
        Whether to show bars; None shows them on a terminal.
    seed
        Of labels that are drawn.
    ranks
        The processes that measure together: each measures single streams of its own.
    """

    bench: Bench
    streams: tuple[Skip, ...]
    is_named: bool
    menders: tuple[MenderName, ...]
    refit: Refit | None
    journal: Journal
    shows: bool | None = None
    seed: int = 0
    ranks: Ranks = ALONE
    clock: Clock = field(default_factory=Clock)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def bar(self, what: str, total: float) -> Iterator[Advance]:
        """Show a bar over ``total`` nets and count its time as a stage."""
        disable = None if self.shows is None else not self.shows
        style = "{l_bar}{bar}| {n:.1f}/{total:.0f} [{elapsed}<{remaining}]"
        with (
            self.clock.stage(what),
            tqdm(total=total, desc=what, disable=disable, bar_format=style, leave=False) as bar,
        ):
            yield bar.update

    # ------------------------------------------------------------------------------ the whole net

    @cached_property
    def whole(self) -> Scores:
        """The whole net's scores on the samples that choose or judge."""
        if _WHOLE not in self.journal and not self.plain:
            scores = self.bench.score(self.bench.model, self._rows, lambda share: None)
            self.journal.add(_WHOLE, pack_scores(scores))
        return unpack_scores(self.journal[_WHOLE])

    def costs(self) -> dict[str, float]:
        """Return the time of each stage in forward passes over the samples that were measured."""
        one = self.bench.forward_seconds()
        return {name: value / one for name, value in self.clock.seconds.items()}

    @cached_property
    def _rows(self) -> np.ndarray:
        return self.bench.held_out.measured

    # ------------------------------------------------------------------------------ choosing

    @cached_property
    def screen(self) -> Screen | None:
        """What a backward pass says of the streams, None where it cannot be computed."""
        with self.bar("screening", 1) as advance:
            try:
                return screen(self.bench, self.streams, advance, self.seed)
            except (RuntimeError, NotImplementedError) as error:
                reason = str(error).splitlines()[0]
                self.notes.append(f"streams could not be ranked by a backward pass ({reason})")
                return None

    @cached_property
    def residuals(self) -> Residuals | None:
        """What a linear refit cannot bring back of the streams; None where nothing is mended."""
        if self.refit is None:
            return None
        with self.bar("residuals", 1) as advance:
            found = residuals(self.bench, self.streams, self.refit.calibration, self.seed)
            advance(1.0)
            return found

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """The net without each stream that is measured, in the order of the graph."""
        chosen = [stream.name for stream in self.streams]
        if not self.is_named and len(chosen) > FEW and self.screen is not None:
            return self._affordable(self.screen)
        found = {name: self._silenced(name) for name in chosen}
        return {name: variant for name, variant in found.items() if variant is not None}

    def _silenced(self, name: str) -> Variant | None:
        graph = self.bench.graph
        try:
            return silenced(graph, StreamNames.of([name], graph), self.bench.footprint)
        except PruningError as error:
            if self.is_named:
                raise
            self.refused[name] = str(error)
            return None

    def _affordable(self, ranked: Screen) -> dict[str, Variant]:
        """Return the streams that seem to matter least, as many as the passes allow."""
        costs = VariantCosts(self.bench)
        found: dict[str, Variant] = {}
        spent = 0.0
        for name in self._ranking(ranked):
            variant = self._silenced(name)
            if variant is None:
                continue
            spent += costs.of(variant)
            if spent > PASSES:
                break
            found[name] = variant
        left = len(self.streams) - len(found) - len(self.refused)
        self.notes.append(
            f"{left} of {len(self.streams)} streams are only ranked, by one backward pass; the "
            f"{len(found)} that seem to matter least were measured. Name others as streams= to "
            "measure them"
        )
        order = [stream.name for stream in self.streams]
        return dict(sorted(found.items(), key=lambda pair: order.index(pair[0])))

    def _ranking(self, ranked: Screen) -> list[str]:
        """Return streams, first those that come first in either ranking: as they are, or mended.

        What has no number in a ranking comes first there, to be measured.
        """
        rankings = [ranked.score]
        if self.residuals is not None:
            rankings.append(self.residuals.alone())
        places = [
            np.argsort(np.argsort(np.where(np.isnan(one), -np.inf, one), kind="stable"))
            for one in rankings
        ]
        return [ranked.streams[n] for n in np.argsort(np.min(places, 0), kind="stable")]

    # ------------------------------------------------------------------------------ measuring

    @cached_property
    def plain(self) -> dict[str, Scores]:
        """Scores of the net without each stream as it is."""
        return self.measure(self.variants, "measuring")

    def measure(self, variants: Mapping[str, Variant], what: str) -> dict[str, Scores]:
        """Return the scores of variants on all samples that choose or judge."""
        names = {name: f"plain {name}" for name in variants}
        missing = [name for name in variants if names[name] not in self.journal]
        own = {name: variants[name] for name in self.ranks.share(missing)}
        with self.bar(what, len(own)) as advance, self._shared(what):
            for group in self.bench.groups(own):
                with noted(self.journal.kept):
                    whole, found = self.bench.score_variants(group, self._rows, advance)
                if _WHOLE not in self.journal:
                    self.journal.add(_WHOLE, pack_scores(whole))
                for name, scores in found.items():
                    self.journal.add(names[name], pack_scores(scores))
        return {name: unpack_scores(self.journal[key]) for name, key in names.items()}

    @cached_property
    def _workshop(self) -> Workshop:
        repair = None if self.refit is None else self.refit.repair
        own = (self.menders, repair, Accountant(self.bench.graph), self.journal)
        return Workshop(self.bench, self.whole, *own)

    def examine_each(self, enough: float) -> dict[str, Examined]:
        """Return the best net without each stream that is mended, or measured where none is."""
        names = self._to_mend()
        own, what = self.ranks.share(names), "mending" if self.menders else "accounting"
        with self.bar(what, len(own)) as advance, self._shared(what):
            for name in own:
                self.examine([name], enough, advance)
        return {name: self.examine([name], enough, lambda share: None) for name in names}

    @contextmanager
    def _shared(self, what: str) -> Iterator[None]:
        """Give every process what each of them adds to its journal meanwhile."""
        before = self.journal.entries
        yield
        new = {k: v for k, v in self.journal.entries.items() if before.get(k) is not v}
        for rank, entries in enumerate(self.ranks.gather(what, new)):
            if rank != self.ranks.mine:
                self.journal.add_all(entries)

    def _to_mend(self) -> list[str]:
        names = list(self.plain)
        if self.is_named or len(self.streams) <= FEW:
            return names
        by_loss = sorted(names, key=lambda name: self._choosing_bits(self.plain[name]))
        chosen = set(by_loss[:MOST_MENDED])
        return [name for name in names if name in chosen]

    def examine(self, names: Sequence[str], enough: float, advance: Advance) -> Examined:
        """Return the best net without streams; see :meth:`Workshop.examine`."""
        plain = self.plain.get(names[0]) if len(names) == 1 else None
        return self._workshop.examine(names, plain, enough, advance)

    def _choosing_bits(self, scores: Scores) -> float:
        held_out = self.bench.held_out
        rows = held_out.ranking
        parts = (one.part(rows, held_out.measured) for one in (self.whole, scores))
        return lost_bits(self.bench, *parts)
