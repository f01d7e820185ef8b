"""Nets without streams: built, mended, measured, and what they save."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from torch import Tensor

from infoflow.interface import InfoflowError, PruningWarning
from infoflow.interface.argument_checks import noted
from infoflow.pruning.ablation.accounting import Accountant, Savings
from infoflow.pruning.ablation.bench import Advance, Bench, Scores, key_of
from infoflow.pruning.ablation.journal import Journal, pack_scores, unpack_scores
from infoflow.pruning.ablation.pairs import paired, weighted_mean
from infoflow.pruning.choice import StreamNames, removals
from infoflow.pruning.rewrite import carve
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.variants import ready

#: How a net was mended; ``"plain"`` where it was not.
MenderName = Literal["plain", "reader", "cascade"]


class Repair(Protocol):
    """Refits a net without streams, in place."""

    def __call__(self, slim: PrunedModel, mender: MenderName) -> None:
        """Refit the layers of ``slim`` that a mender takes."""
        ...


@dataclass(frozen=True, eq=False)
class Examined:
    """What was measured of a net without a set of streams, mended as well as can be.

    Parameters
    ----------
    streams
        Names of the streams.
    menders
        By mender, bits per label that are lost on the samples that choose.
    mender
        The one that loses least there.
    scores
        Of the net that this one makes, on the samples that judge.
    savings
        What it saves.
    metric
        The metric of the net, where it is a function of a net; else NaN.
    note
        What could not be done, in words.
    enough
        No other mender was tried once the loss was at most this many bits.
    """

    streams: tuple[str, ...]
    menders: Mapping[str, float]
    mender: MenderName
    scores: Scores
    savings: Savings
    metric: float = math.nan
    note: str = ""
    enough: float = 0.0

    def is_mended_for(self, enough: float) -> bool:
        """Tell whether no mender was spared that would be tried today."""
        return self.enough <= enough or self.menders[self.mender] <= enough

    def to_entry(self) -> dict[str, Any]:
        """Return plain values for a journal."""
        return {
            "streams": list(self.streams),
            "menders": dict(self.menders),
            "mender": self.mender,
            "scores": pack_scores(self.scores),
            "savings": asdict(self.savings),
            "metric": self.metric,
            "note": self.note,
            "enough": self.enough,
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Examined:
        """Make it again from what :meth:`to_entry` returned."""
        return cls(
            streams=tuple(entry["streams"]),
            menders=dict(entry["menders"]),
            mender=entry["mender"],
            scores=unpack_scores(entry["scores"]),
            savings=Savings(**entry["savings"]),
            metric=float(entry["metric"]),
            note=str(entry["note"]),
            enough=float(entry.get("enough", 0.0)),
        )


@dataclass(frozen=True, eq=False)
class Workshop:
    """Builds, mends and measures nets without streams.

    Parameters
    ----------
    bench
        What the ablation is of.
    whole
        Scores of the whole net on all samples that choose or judge.
    menders
        What is tried beside the plain cut.
    repair
        Refits a net; None where nothing is mended.
    accountant
        Counts what nets save.
    journal
        Keeps what was measured.
    """

    bench: Bench
    whole: Scores
    menders: tuple[MenderName, ...]
    repair: Repair | None
    accountant: Accountant
    journal: Journal

    def examine(
        self, names: Sequence[str], plain: Scores | None, enough: float, advance: Advance
    ) -> Examined:
        """Return what the best net without streams loses.

        Parameters
        ----------
        names
            Names of the streams.
        plain
            Scores of the plain cut on all samples that choose or judge, where they are known.
        enough
            No other mender is tried once the loss is at most this many bits per label, on the
            samples that choose.
        advance
            Moves the bar.
        """
        key = f"net {key_of(names)}"
        known = Examined.from_entry(self.journal[key]) if key in self.journal else None
        if known is not None and known.is_mended_for(enough):
            advance(1.0)
            return known
        with noted(f"This happened without {' and '.join(names)}.", self.journal.kept):
            found = self._examine(tuple(names), plain, enough, advance)
        self.journal.add(key, found.to_entry())
        return found

    def build(self, names: Sequence[str]) -> PrunedModel:
        """Return the net without streams, as :func:`infoflow.prune` makes it."""
        graph = self.bench.graph
        chosen = removals(graph, StreamNames.of(names, graph))
        return carve(graph, chosen, self.bench.footprint.shapes)

    def _examine(
        self, names: tuple[str, ...], plain: Scores | None, enough: float, advance: Advance
    ) -> Examined:
        slim = self.build(names).eval()
        parts = self.bench.held_out.parts
        with ready(slim):
            first = self._first(slim, plain, advance)
            best = _Best("plain", _state(slim), self._lost(first))
            tried = {"plain": best.bits}
            notes: list[str] = []
            unmended = best.state
            for mender in self.menders:
                if best.bits <= enough:
                    break
                slim.load_state_dict(unmended)
                try:
                    notes += self._mend(slim, mender)
                except InfoflowError as error:
                    notes.append(f"{mender}: {error}")
                    continue
                scores = self.bench.score(slim, parts.choose, _quiet)
                tried[mender] = self._lost(scores)
                if tried[mender] < best.bits:
                    best = _Best(mender, _state(slim), tried[mender])
            slim.load_state_dict(best.state)
            measured = self.bench.held_out.measured
            if best.mender == "plain" and plain is not None:
                judged = plain.part(parts.judge, measured)
            else:
                judged = self.bench.score(slim, parts.judge, _quiet)
            savings = self.accountant.savings(slim)
            metric = self._metric_of(slim)
        advance(1.0)
        note = "; ".join(notes)
        return Examined(names, tried, best.mender, judged, savings, metric, note, enough)

    def _first(self, slim: PrunedModel, plain: Scores | None, advance: Advance) -> Scores:
        held_out = self.bench.held_out
        if plain is not None:
            return plain.part(held_out.parts.choose, held_out.measured)
        return self.bench.score(slim, held_out.parts.choose, _quiet)

    def _mend(self, slim: PrunedModel, mender: MenderName) -> list[str]:
        """Refit a net, and return what the mender warns of."""
        assert self.repair is not None
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", PruningWarning)
            self.repair(slim, mender)
        if not all(bool(value.isfinite().all()) for value in _state(slim).values()):
            raise InfoflowError("the refit gave numbers that are not finite")
        return [f"{mender}: {one.message}" for one in seen]

    def _lost(self, scores: Scores) -> float:
        """Return the bits per label that are lost on the samples that choose, NaN without any."""
        held_out = self.bench.held_out
        if not len(held_out.parts.choose):
            return math.nan
        whole = self.whole.part(held_out.parts.choose, held_out.measured)
        return lost_bits(self.bench, whole, scores)

    def _metric_of(self, slim: PrunedModel) -> float:
        metric = self.bench.metric
        return metric.of_net(slim) if metric is not None and metric.of == "net" else math.nan


@dataclass(frozen=True, eq=False)
class _Best:
    mender: MenderName
    state: dict[str, Tensor]
    bits: float


def lost_bits(bench: Bench, whole: Scores, other: Scores) -> float:
    """Return by how many bits per label a net does worse than the whole net, without interval."""
    pairs = paired(bench.loss, whole.sample_bits, other.sample_bits)
    return pairs.to_bits(weighted_mean(pairs))


def _state(net: PrunedModel) -> dict[str, Tensor]:
    return {
        name: value.detach().clone()
        for name, value in net.state_dict().items()
        if isinstance(value, Tensor)
    }


def _quiet(share: float) -> None:
    """Show nothing."""
