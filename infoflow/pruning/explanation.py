"""What information says of a stream: it explains a verdict, and decides nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from infoflow.flow.flow_result import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.interface import Skip

ADDED = "what the stream adds to the others about Y, from distances at noise relative to scale"
USABLE = "what the stream adds to the others for a small probe that predicts Y, held out"


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
    unique
        What only this stream knows of Y; None of probes.
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
    unique: float | None = None


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
        "unique": float(last["unique"]),
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


def information_says(added: Addition | None, tolerance: float = 0.05) -> str:
    """Say in a few words what information says of a stream; it explains, and decides nothing.

    A probe that finds nothing to add tells that the others have what the stream has. The layers
    behind may still read it from this stream (docs/evidence).
    """
    if added is None:
        return "not measured"
    if not added.is_known:
        return "all not above their null"
    if added.is_saturated:
        return "others are saturated"
    if added.high <= tolerance * added.all:
        return "others have what it has"
    if added.low > max(added.null_high, tolerance * added.all):
        return "adds what others have not"
    if added.low <= added.null_high and added.null_high > 0:
        return "not above its null"
    return "too uncertain"
