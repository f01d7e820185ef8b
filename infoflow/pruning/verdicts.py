"""The two questions about a skip connection, and a reading of the numbers for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import xarray as xr

from infoflow.flow.flow_result import FlowResult
from infoflow.interface import LayerNotFoundError, Merge, Skip, is_arithmetic, is_saturated

Verdict = Literal["prune", "prune if trained to epoch", "keep", "cannot tell"]

REDESIGN = "Redesign: would a net built without this stream, trained from scratch, get as far?"
CUT = "Cut: what does this trained net lose without this stream?"
#: Less information than this, in any unit, is none.
_NOTHING = 1e-9
#: What each reading rests on.
BITS_LOST = "the rise of the held-out loss when the stream is silenced"
RACE = "the learning curves of nets trained with and without the stream"
PAPER = "I(Y;·) of the layers before the merge against its maximum (Lee and Bajić 2021)"


@dataclass(frozen=True)
class Answer:
    """The answer to one question about one skip connection.

    Parameters
    ----------
    verdict
        ``"prune"``, ``"prune if trained to epoch"`` (``epoch``), ``"keep"`` or ``"cannot tell"``.
    reading
        What the verdict rests on.
    reason
        Why, in words.
    epoch
        First measured epoch from which on the reading would prune, or None.
    """

    verdict: Verdict
    reading: str
    reason: str
    epoch: int | None = None

    @property
    def is_prunable(self) -> bool:
        """Whether the verdict is to prune, at once or after enough training."""
        return self.verdict in ("prune", "prune if trained to epoch")

    def __str__(self) -> str:
        is_later = self.verdict == "prune if trained to epoch"
        return f"{self.verdict} {self.epoch}" if is_later else self.verdict


@dataclass(frozen=True)
class BeforeMerge:
    """I(Y;M) of the stream that goes on without the other, against the largest of any layer.

    Of the last epoch. None where that stream is an input of the model, which is not measured.

    Parameters
    ----------
    beside
        The merge's main stream; for advice on the main stream itself, the one of the others with
        the largest I(Y;M).
    value, maximum, gap
        Its I(Y;M), the largest of any layer, and the difference.
    is_saturated
        Whether it is at its ceiling, and what shuffled classes give, too.
    null_high
        What shuffled classes give in 95 % of cases; None where that was not measured.
    """

    beside: str
    value: float | None
    maximum: float
    gap: float | None
    is_saturated: bool
    null_high: float | None = None


def before_merge(result: FlowResult, merge: Merge, skip: Skip) -> BeforeMerge:
    """Return the evidence of the paper's reading.

    Raises
    ------
    LayerNotFoundError
        If the stream beside was not measured.
    """
    maximum = float(result.iym.max("layer")[-1])
    beside = _beside(result, merge, skip)
    if beside in result.graph.inputs:
        return BeforeMerge(beside, None, maximum, None, False)
    if beside in result.graph.unmeasurable:
        return BeforeMerge(beside, None, maximum, None, False)
    if beside not in result.layers:
        raise LayerNotFoundError(
            f"Advice on {skip} needs I(Y;M) of {beside}, which goes into the same merge and was "
            "not measured. Measure with layers='merges' or layers='all'."
        )
    value = float(result.iym.sel(layer=beside)[-1])
    ceiling = float(result.dataset["iym_ceiling"][-1])
    null_high = _null_high(result, beside)
    at_ceiling = is_arithmetic(value, math.nan if null_high is None else null_high, ceiling)
    return BeforeMerge(beside, value, maximum, maximum - value, at_ceiling, null_high)


def _null_high(result: FlowResult, layer: str) -> float | None:
    """Return what shuffled classes give of I(Y;M) at the last epoch; None where not measured."""
    if "iym_null_high" not in result.dataset:
        return None
    value = float(result.dataset["iym_null_high"].sel(layer=layer)[-1])
    return None if math.isnan(value) else value


def _beside(result: FlowResult, merge: Merge, skip: Skip) -> str:
    """Return the stream that would have to do without the other."""
    if skip.source != merge.main:
        return merge.main
    others = [stream for stream in merge.streams if stream != merge.main]
    measured = [stream for stream in others if stream in result.layers]
    if not measured:
        return others[0]
    return max(measured, key=lambda stream: float(result.iym.sel(layer=stream)[-1]))


def paper_redesign(
    result: FlowResult, beside: str, tolerance: float, trust_saturated: bool
) -> Answer:
    """Read the history of the stream beside: alone, it is enough once it has the maximum.

    That is what the paper recommends. Its numbers may be no higher than those of shuffled classes;
    the reason says so then.
    """
    if beside in result.graph.inputs:
        return _cannot(PAPER, f"the stream beside is the model's input {beside}, not measured")
    reason = result.graph.unmeasurable.get(beside)
    if reason is not None:
        return _cannot(PAPER, f"the stream beside, {beside}, has no row per sample: {reason}")
    before, maximum = result.iym.sel(layer=beside), result.iym.max("layer")
    if float(maximum[-1]) < _NOTHING:
        return _cannot(PAPER, "no layer says anything of Y")
    epoch = _closed_at(maximum - before <= tolerance * maximum)
    first, last = _saturated_ends(result, beside)
    is_history = len(result.epochs) > 1
    if first:
        when = f"at epoch {result.epochs[0]} already" if is_history else "here"
        reason = f"I(Y;·) before the merge is saturated {when}: any net would show it"
        return _cannot(PAPER, reason)
    null_high = _null_high(result, beside)
    is_below = null_high is not None and float(before[-1]) <= null_high
    shuffled = ", though no more than for shuffled classes: it may only tell samples apart"
    doubt = shuffled if is_below else ""
    if epoch is None:
        missing = "the layers before the merge have not reached the maximum of I(Y;·)"
        return Answer("keep", PAPER, f"{missing}{doubt}")
    when = f"from epoch {epoch} on, " if is_history else ""
    reason = f"{when}the layers before the merge have the maximum of I(Y;·){doubt}"
    if last and not trust_saturated:
        return _cannot(
            PAPER,
            f"{reason}, but it is saturated there, so that many nets would show it; check it by "
            "training without the stream",
            epoch,
        )
    return Answer("prune if trained to epoch" if is_history else "prune", PAPER, reason, epoch)


def _saturated_ends(result: FlowResult, layer: str) -> tuple[bool, bool]:
    """Tell whether I(Y;M) of a layer is saturated at the first epoch, and at the last one.

    An untrained net at the ceiling leaves nothing for training to show, whatever its null is.
    """
    values, ceilings = result.iym.sel(layer=layer).values, result.dataset["iym_ceiling"].values
    null_high = _null_high(result, layer)
    null = math.nan if null_high is None else null_high
    last = is_arithmetic(float(values[-1]), null, float(ceilings[-1]))
    is_history = len(values) > 1
    return (is_saturated(float(values[0]), float(ceilings[0])) if is_history else last), last


def cut_without_ablation() -> Answer:
    """Return the answer on a cut where nothing was ablated: information does not give it."""
    return _cannot(
        BITS_LOST,
        "information says what the streams know, and not what this net loses: run "
        "infoflow.ablate(model, held_out), or infoflow ablate MODEL --data HELD_OUT",
    )


def redesign_without_race() -> Answer:
    """Return the answer on a redesign where no nets were raced."""
    return _cannot(
        RACE,
        "no race was run: infoflow.race of the whole net and one net without the stream, three "
        "seeds each, costs at most 6 trainings",
    )


def _cannot(reading: str, reason: str, epoch: int | None = None) -> Answer:
    return Answer("cannot tell", reading, reason, epoch)


def _closed_at(is_closed: xr.DataArray) -> int | None:
    """Return the first epoch from which on the gap is closed at every measured epoch."""
    closed_at = None
    for epoch in reversed(is_closed["epoch"].values):
        if not bool(is_closed.sel(epoch=epoch)):
            break
        closed_at = int(epoch)
    return closed_at
