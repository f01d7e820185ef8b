"""Every reading of how much a net needs a stream, as plain numbers that can be ranked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import xarray as xr

from infoflow.flow.flow_result import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.interface import Skip
from infoflow.pruning.ablation.ablation_result import Ablation
from infoflow.pruning.verdicts import BeforeMerge

GAP = "paper: maximum of I(Y;·) less I(Y;·) beside"
OWN = "I(Y;·) of the stream's source"
ADDED_FIXED = "I(Y;·) added, noise of the estimator"
ADDED_RELATIVE = "I(Y;·) added, relative noise"
UNIQUE_RELATIVE = "I(Y;·) unique, relative noise"
USABLE_ADDED = "usable information added"
LOST_PLAIN = "bits lost as it is"
LOST_MENDED = "bits lost, mended"
USABLE_ALONE = "usable information of the stream alone"


class Row(Protocol):
    """A stream with the evidence of the paper's reading."""

    @property
    def skip(self) -> Skip:  # noqa: D102
        ...

    @property
    def before(self) -> BeforeMerge | None:  # noqa: D102
        ...


def readings_of(
    rows: Sequence[Row], result: FlowResult, usable: UsableStreams | None
) -> Mapping[str, Mapping[str, float]]:
    """Return, by reading and stream, a number that is larger where the stream is needed more.

    Streams of which a reading says nothing are left out of it, and so are readings without any.
    """
    found: dict[str, dict[str, float]] = {}

    def note(reading: str, stream: str, value: float | None) -> None:
        if value is not None and not math.isnan(value):
            found.setdefault(reading, {})[stream] = float(value)

    bits = {} if usable is None else {(r.source, r.merge): r for r in usable.rows}
    measured = _measured_streams(result)
    for row in rows:
        name = row.skip.name
        note(GAP, name, None if row.before is None else row.before.gap)
        if row.skip.source in result.layers:
            note(OWN, name, float(result.iym.sel(layer=row.skip.source)[-1]))
        if name in measured:
            last = result.streams.sel(stream=name).isel(epoch=-1)
            relative = last.isel(noise=-1)
            note(ADDED_RELATIVE, name, float(relative["added"]))
            note(UNIQUE_RELATIVE, name, float(relative["unique"]))
            if last.sizes["noise"] > 1:
                note(ADDED_FIXED, name, float(last.isel(noise=0)["added"]))
        if (row.skip.source, row.skip.merge) in bits:
            one = bits[row.skip.source, row.skip.merge]
            note(USABLE_ADDED, name, one.added.value)
            note(USABLE_ALONE, name, one.alone.value)
    return found


def losses_as_readings(ablation: Ablation) -> Mapping[str, Mapping[str, float]]:
    """Return the bits lost by stream, as it is and mended, where they were measured."""
    found = {
        LOST_PLAIN: {r.skip.name: r.plain.value for r in ablation.rows if r.plain is not None},
        LOST_MENDED: {r.skip.name: r.mended.value for r in ablation.rows if r.mended is not None},
    }
    return {name: values for name, values in found.items() if values}


def readings_variable(
    readings: Mapping[str, Mapping[str, float]], streams: Sequence[str]
) -> dict[str, xr.DataArray]:
    """Return readings as an array, NaN where one says nothing of a stream; none of none."""
    if not readings:
        return {}
    values = [[known.get(stream, math.nan) for stream in streams] for known in readings.values()]
    array = xr.DataArray(values, {"reading": list(readings), "stream": list(streams)})
    return {"readings": array}


def readings_in(dataset: xr.Dataset) -> Mapping[str, Mapping[str, float]]:
    """Return the readings that :func:`readings_variable` made an array of."""
    if "readings" not in dataset:
        return {}
    streams = [str(name) for name in dataset["stream"].values]
    return {
        str(name): {s: v for s, v in zip(streams, values, strict=True) if not math.isnan(v)}
        for name, values in zip(
            dataset["reading"].values, dataset["readings"].values.tolist(), strict=True
        )
    }


def _measured_streams(result: FlowResult) -> frozenset[str]:
    if "stream" not in result.dataset.dims:
        return frozenset()
    return frozenset(str(name) for name in result.streams["stream"].values)
