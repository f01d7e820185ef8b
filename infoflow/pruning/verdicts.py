"""The two questions about a skip connection, and a reading of the numbers for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import xarray as xr

from infoflow.flow.result import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.interface import LayerNotFoundError, Merge, Skip, is_saturated

Verdict = Literal["prune", "prune if trained to epoch", "keep", "cannot tell"]

REDESIGN = "Redesign: would a net built without this stream, trained from scratch, get as far?"
CUT = "Cut: can this stream be removed from this trained net, and a little fine-tuning mend it?"
#: Less information than this, in any unit, is none.
_NOTHING = 1e-9
#: What each reading rests on.
PAPER = "I(Y;·) of the layers before the merge against its maximum (Lee and Bajić 2021)"
ADDED = "what the stream adds to the others about Y, from distances at noise relative to scale"
USABLE = "what the stream adds to the others for a small probe that predicts Y, held out"


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
        Whether it is at its ceiling.
    null_high
        What shuffled classes give in 95 % of cases; None where that was not measured.
    """

    beside: str
    value: float | None
    maximum: float
    gap: float | None
    is_saturated: bool
    null_high: float | None = None


@dataclass(frozen=True)
class Addition:
    """What a stream adds about Y to the others of its merge, at the last epoch.

    Parameters
    ----------
    value, low, high
        I(Y; all streams) − I(Y; all but this one), with its 95 % confidence interval; or the
        usable information that it adds.
    null_high
        95 % quantile of the same for shuffled classes; 0 for held-out probes, which gain nothing
        then.
    all
        I(Y; all streams), or their usable information.
    unit
        ``"bits"``, ``"nats"``, ``"bits per label"`` or ``"bits per pixel"``.
    is_known
        Whether all streams together are known to say anything of Y: above their null, or, for
        probes, above 0 at the lower end of the interval.
    is_saturated
        Whether the other streams alone are at the ceiling.
    reading
        Where the numbers come from.
    """

    value: float
    low: float
    high: float
    null_high: float
    all: float
    unit: str
    is_known: bool
    is_saturated: bool
    reading: str


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
    at_ceiling = is_saturated(value, ceiling)
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


def answer_redesign(
    result: FlowResult, beside: str, tolerance: float, trust_saturated: bool
) -> Answer:
    """Read the history of the stream beside: alone, it is enough once it has the maximum."""
    if beside in result.graph.inputs:
        return _cannot(PAPER, f"the stream beside is the model's input {beside}, not measured")
    reason = result.graph.unmeasurable.get(beside)
    if reason is not None:
        return _cannot(PAPER, f"the stream beside, {beside}, has no row per sample: {reason}")
    before, maximum = result.iym.sel(layer=beside), result.iym.max("layer")
    if float(maximum[-1]) < _NOTHING:
        return _cannot(PAPER, "no layer says anything of Y")
    epoch = _closed_at(maximum - before <= tolerance * maximum)
    ceilings = result.dataset["iym_ceiling"].values
    saturated = [is_saturated(*pair) for pair in zip(before.values, ceilings, strict=True)]
    if saturated[0]:
        when = f"at epoch {result.epochs[0]} already" if len(result.epochs) > 1 else "here"
        reason = f"I(Y;·) before the merge is saturated {when}: any net would show it"
        return _cannot(PAPER, reason)
    if epoch is None:
        return Answer(
            "keep", PAPER, "the layers before the merge have not reached the maximum of I(Y;·)"
        )
    is_history = len(result.epochs) > 1
    when = f"from epoch {epoch} on, " if is_history else ""
    reason = f"{when}the layers before the merge have the maximum of I(Y;·)"
    null_high = _null_high(result, beside)
    if null_high is not None and float(before[-1]) <= null_high:
        reason += ", though no more than for shuffled classes: it may only tell samples apart"
    if saturated[-1] and not trust_saturated:
        return _cannot(
            PAPER,
            f"{reason}, but it is saturated there, so that many nets would show it; check it by "
            "training without the stream",
            epoch,
        )
    return Answer("prune if trained to epoch" if is_history else "prune", PAPER, reason, epoch)


def addition(result: FlowResult, skip: Skip) -> Addition | None:
    """Return what the stream adds at the last epoch; None where streams were not measured."""
    if "stream" not in result.dataset.dims:
        return None
    streams = result.streams
    if skip.name not in streams["stream"].values:
        return None
    # the last noise is the relative one: a fixed noise saturates wide layers
    last = streams.sel(stream=skip.name).isel(epoch=-1, noise=-1)
    numbers = {
        "value": float(last["added"]),
        "low": float(last["added_ci_low"]),
        "high": float(last["added_ci_high"]),
        "null_high": float(last["added_null_high"]),
        "all": float(last["all"]),
    }
    if any(math.isnan(number) for number in numbers.values()):
        return None
    is_saturated = bool(last["is_saturated"])
    return Addition(
        **numbers,
        unit=result.unit,
        is_known=numbers["all"] > float(last["all_null_high"]),
        is_saturated=is_saturated,
        reading=ADDED,
    )


def usable_addition(usable: UsableStreams, skip: Skip) -> Addition | None:
    """Return the usable information that the stream adds; None where it was not measured."""
    for row in usable.rows:
        if (row.merge, row.source) == (skip.merge, skip.source):
            added = row.added
            return Addition(
                added.value,
                added.ci_low,
                added.ci_high,
                0.0,
                row.joint.value,
                added.unit,
                is_known=row.joint.ci_low > 0,
                is_saturated=False,
                reading=USABLE,
            )
    return None


def answer_cut(added: Addition | None, merge: Merge, tolerance: float) -> Answer:
    """Read what the stream adds to the others in the net as it is trained.

    What the others have is no promise for the moment of the cut, since the layers behind may read
    it from this stream: twelve such streams of a DenseNet took it from 97 % to 14 % at once, and
    one epoch of fine-tuning brought back 96 % (docs/pruning).

    Where streams are added or multiplied, that nothing is added supports no verdict: what the
    others know of Y is not where the layers behind the sum have learned to read it. Cutting all
    blocks of a ResNet of which a probe said so left it guessing (docs/pruning).
    """
    if added is None:
        return _cannot(ADDED, "the streams into this merge were not measured")
    if added.is_saturated:
        reason = "the other streams are saturated, so that nothing could be added"
        return _cannot(added.reading, reason)
    if not added.is_known:
        return _cannot(
            added.reading, "all streams together are not known to say anything of Y at this merge"
        )
    if added.high <= tolerance * added.all:
        if merge.kind != "concat":
            return _cannot(
                added.reading,
                f"the others have what the stream has, but the layers behind read the {merge.kind} "
                "of both: try it with infoflow.verify_pruning",
            )
        return Answer(
            "prune",
            added.reading,
            "the others have what the stream has; fine-tune the layers that read them, which have "
            "not learned to find it there",
        )
    if added.low > max(added.null_high, tolerance * added.all):
        return Answer("keep", added.reading, "the stream adds what the others have not")
    if added.low <= added.null_high and added.null_high > 0:
        return _cannot(
            added.reading,
            "the stream adds no more than it would for shuffled classes: by telling samples apart, "
            "whatever their class",
        )
    return _cannot(added.reading, "what the stream adds is too uncertain, or too little")


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
