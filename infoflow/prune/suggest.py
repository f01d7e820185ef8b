"""``infoflow.suggest_pruning``: the reading of Lee and Bajić, section 4.2, for any net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import xarray as xr

from infoflow.flow.result import FlowResult
from infoflow.interface import (
    ArgumentError,
    LayerNotFoundError,
    Merge,
    Skip,
    TargetError,
    is_saturated,
)
from infoflow.prune.table import advice_table

Verdict = Literal["prune", "prune if trained to epoch", "keep", "cannot tell"]

QUESTION = "Redesign: would a net built without this stream, trained from scratch, get as far?"
CAUTION = (
    "This does not say what happens when a stream is cut out of this trained net: the two answers "
    "can be opposite (on the nuclei U-Net, the first skip to drop in a redesign is the one whose "
    "cut does most damage)."
)


@dataclass(frozen=True)
class StreamAdvice:
    """What the reading says of one skip connection.

    Parameters
    ----------
    skip
        The skip connection, with what removing it would save.
    main
        The merge's main stream.
    verdict
        ``"prune"``, ``"prune if trained to epoch"`` (``closed_at``), ``"keep"`` or
        ``"cannot tell"``.
    before, maximum, gap
        I(Y;M) of the main stream before the merge, the largest I(Y;M) of any layer, and their
        difference, at the last epoch; None where the main stream is an input of the model.
    closed_at
        First measured epoch from which on the gap stays within the tolerance, or None.
    is_saturated
        Whether I(Y;M) of the main stream is at its ceiling at the last epoch: the verdict then
        rests on a number that many nets would show.
    reason
        Why, in words.
    """

    skip: Skip
    main: str
    verdict: Verdict
    before: float | None
    maximum: float
    gap: float | None
    closed_at: int | None
    is_saturated: bool
    reason: str

    @property
    def is_prunable(self) -> bool:
        """Whether the verdict is to prune, at once or after enough training."""
        return self.verdict in ("prune", "prune if trained to epoch")

    def __str__(self) -> str:
        epoch = f" {self.closed_at}" if self.verdict == "prune if trained to epoch" else ""
        return f"{self.skip}: {self.verdict}{epoch}"


@dataclass(frozen=True)
class PruningAdvice(Sequence[StreamAdvice]):
    """Advice for every skip connection; ``print`` shows it as a table.

    Parameters
    ----------
    model
        Class name of the model.
    unit
        ``"bits"`` or ``"nats"``.
    streams
        One row per skip connection, merge by merge.
    question, caution
        The question that the verdicts answer, and the one that they do not.
    """

    model: str
    unit: str
    streams: tuple[StreamAdvice, ...]
    question: str = QUESTION
    caution: str = CAUTION

    @property
    def prunable(self) -> tuple[str, ...]:
        """Names, ``source->merge``, of the skip connections whose verdict is to prune."""
        return tuple(row.skip.name for row in self.streams if row.is_prunable)

    def __len__(self) -> int:
        return len(self.streams)

    @overload
    def __getitem__(self, index: int) -> StreamAdvice: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[StreamAdvice, ...]: ...

    def __getitem__(self, index: int | slice) -> StreamAdvice | tuple[StreamAdvice, ...]:
        return self.streams[index]

    def __iter__(self) -> Iterator[StreamAdvice]:
        return iter(self.streams)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers."""
        return {
            "model": self.model,
            "question": self.question,
            "caution": self.caution,
            "unit": self.unit,
            "prunable": list(self.prunable),
            "streams": [_row(row) for row in self.streams],
        }

    def __str__(self) -> str:
        return advice_table(self.to_dict())


def _row(row: StreamAdvice) -> dict[str, Any]:
    return {
        "skip": str(row.skip),
        "source": row.skip.source,
        "merge": row.skip.merge,
        "main": row.main,
        "verdict": row.verdict,
        "closed_at": row.closed_at,
        "before": row.before,
        "maximum": row.maximum,
        "gap": row.gap,
        "is_saturated": row.is_saturated,
        "parameters": row.skip.parameters,
        "multiply_adds": row.skip.multiply_adds,
        "reason": row.reason,
    }


def suggest_pruning(result: FlowResult, *, tolerance: float = 0.05) -> PruningAdvice:
    """Say which skip connections a redesigned net could do without.

    A skip into a merge is not needed once the layers before the merge have reached the maximum of
    I(Y;·): what the skip adds about Y is there already. The layer before the merge is its main
    stream. Where I(Y;·) of that layer is saturated from the first measured epoch on, the number is
    arithmetic of the data set and supports no verdict.

    Parameters
    ----------
    result
        From :func:`infoflow.analyze` (one epoch) or :class:`infoflow.Tracker` (a history), with a
        target.
    tolerance
        The gap counts as closed below this share of the maximum.

    Returns
    -------
    PruningAdvice
        One row per skip connection; ``.prunable`` names those to drop.

    Raises
    ------
    TargetError
        If the result has no I(Y;M).
    LayerNotFoundError
        If the main stream of a merge was not measured.

    References
    ----------
    Lee and Bajić (2021), section 4.2. The verdict "cannot tell" is not in the paper.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(16, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=4)
    >>> result = infoflow.analyze(UNet(base_channels=4), loader, target=infoflow.KMeans(2),
    ...                           noise_variance=100.0, progress=False)
    >>> [str(row) for row in suggest_pruning(result)][0]
    '7→11: keep'
    """
    if not 0 < tolerance < 1:
        raise ArgumentError(f"tolerance must be between 0 and 1, got {tolerance}.")
    if not result.has_target:
        raise TargetError(
            "Pruning advice needs I(Y;M), but this result was measured without a target. Measure "
            "again with a loader that gives targets, or with target='output'."
        )
    rows = tuple(
        _advise(result, merge, skip, tolerance)
        for merge in result.graph.merges
        for skip in merge.skips
    )
    return PruningAdvice(result.graph.model, result.unit, rows)


def _advise(result: FlowResult, merge: Merge, skip: Skip, tolerance: float) -> StreamAdvice:
    maximum = result.iym.max("layer")
    if merge.main in result.graph.inputs:
        return StreamAdvice(
            skip, merge.main, "cannot tell", None, float(maximum[-1]), None, None, False,
            f"the main stream is the model's input {merge.main}, which is not measured",
        )  # fmt: skip
    if merge.main not in result.layers:
        raise LayerNotFoundError(
            f"Advice on {skip} needs I(Y;M) of its main stream {merge.main}, which was not "
            "measured. Measure with layers='merges' or layers='all'."
        )
    before = result.iym.sel(layer=merge.main)
    gap = maximum - before
    closed_at = _closed_at(gap <= tolerance * maximum)
    ceiling = result.dataset["iym_ceiling"]
    verdict, reason = _verdict(result, before, closed_at)
    saturated = is_saturated(float(before[-1]), float(ceiling[-1]))
    if saturated and closed_at is not None and verdict != "cannot tell":
        reason += "; by now that number is saturated, so check it by training without the stream"
    return StreamAdvice(
        skip,
        merge.main,
        verdict,
        float(before[-1]),
        float(maximum[-1]),
        float(gap[-1]),
        None if verdict == "cannot tell" else closed_at,
        saturated,
        reason,
    )


def _closed_at(is_closed: xr.DataArray) -> int | None:
    """Return the first epoch from which on the gap is closed at every measured epoch."""
    closed_at = None
    for epoch in reversed(is_closed["epoch"].values):
        if not bool(is_closed.sel(epoch=epoch)):
            break
        closed_at = int(epoch)
    return closed_at


def _verdict(
    result: FlowResult, before: xr.DataArray, closed_at: int | None
) -> tuple[Verdict, str]:
    ceiling = result.dataset["iym_ceiling"]
    if is_saturated(float(before[0]), float(ceiling[0])):
        when = f"at epoch {result.epochs[0]} already" if len(result.epochs) > 1 else "here"
        return "cannot tell", f"I(Y;·) before the merge is saturated {when}: any net would show it"
    if closed_at is None:
        return "keep", "the layers before the merge have not reached the maximum of I(Y;·)"
    if len(result.epochs) == 1:
        return "prune", "the layers before the merge have the maximum of I(Y;·) without it"
    return (
        "prune if trained to epoch",
        f"from epoch {closed_at} on, the layers before the merge have the maximum of I(Y;·)",
    )
