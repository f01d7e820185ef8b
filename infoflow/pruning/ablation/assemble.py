"""From what an ablation found to labelled arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from infoflow.pruning.ablation.accounting import Savings
from infoflow.pruning.ablation.bounds import METHOD, Interval
from infoflow.pruning.ablation.findings import Findings
from infoflow.pruning.ablation.judging import Judged
from infoflow.pruning.ablation.stream_arrays import (
    METRIC,
    described,
    interval_variables,
    metric_numbers,
    savings_variables,
    worst_name,
)
from infoflow.pruning.rewriting.limits import used_parameters

#: The two nets that are measured of each stream.
NETS = ("plain", "mended")


def dataset_of(found: Findings) -> xr.Dataset:
    """Return all that was found, with units in the attributes."""
    unit = f"bits per {found.bench.loss.per}"
    variables: dict[str, Any] = {
        **_bits(found, unit),
        **_metrics(found),
        **_streams(found, unit),
        **_frontier(found, unit),
        **_samples(found, unit),
        **_whole(found, unit),
    }
    held_out = found.bench.held_out
    names = [stream.name for stream in found.streams]
    coordinates = {
        "stream": names,
        "label": ("stream", _labels(found)),
        "net": list(NETS),
        "mender": ["plain", *found.menders],
        "point": np.arange(1, len(found.points) + 1),
        "sample": np.arange(len(held_out.checksums)),
    }
    return xr.Dataset(variables, coordinates, _attributes(found, unit))


def _labels(found: Findings) -> list[str]:
    """Return what streams are called in tables: numbers, and names where two share these."""
    labels = [str(stream) for stream in found.streams]
    return [
        label if labels.count(label) == 1 else f"{label} ({stream.name})"
        for label, stream in zip(labels, found.streams, strict=True)
    ]


def _attributes(found: Findings, unit: str) -> dict[str, Any]:
    bench = found.bench
    parts = bench.held_out.parts
    count, digest = found.mending_samples
    judged = found.whole.part(parts.judge, bench.held_out.measured)
    return {
        "model": bench.graph.model,
        "unit": unit,
        "loss": bench.loss.kind,
        "metric": "" if bench.metric is None else bench.metric.name,
        "menders": ", ".join(found.menders),
        "mending_samples": count,
        "choosing_samples": len(parts.choose),
        "judging_samples": int((judged.labels > 0).sum()),
        "mending_fingerprint": digest,
        "fingerprint": bench.held_out.fingerprint,
        "interval": f"95 %, {METHOD}",
        "metric_rule": "veto" if found.allowed.metric is None else "proof",
        "notes": "\n".join((*bench.held_out.notes, *bench.loss.notes, *found.notes)),
        **{f"cost_{stage}": cost for stage, cost in found.costs.items()},
    }


def _whole(found: Findings, unit: str) -> dict[str, Any]:
    """Return what the whole net loses and knows, and what may be lost."""
    held_out = found.bench.held_out
    whole = found.whole.part(held_out.parts.judge, held_out.measured).mean_bits
    largest = found.allowed.largest_rise
    return {
        **_known(found, unit),
        "whole_bits": ((), whole, described("loss of the whole net", unit)),
        "whole_metric": ((), found.whole_metric, described("metric of the whole net")),
        "whole_parameters": (
            (),
            sum(one.numel() for one in used_parameters(found.bench.graph).values()),
            described("learned numbers of the whole net", "1"),
        ),
        "tolerance": ((), found.tolerance, described("what may be lost", unit)),
        "metric_tolerance": ((), found.metric_tolerance, described("what the metric may lose")),
        "largest_rise": (
            (),
            math.nan if largest is None else largest,
            described("what a sample can lose at most, where the caller has said it", unit),
        ),
    }


def _known(found: Findings, unit: str) -> dict[str, Any]:
    """Return by how much the whole net predicts better than a constant; nothing if not known."""
    if found.known is None:
        return {}
    label = "what the whole net's prediction knows beyond the best constant one"
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"known_bits{end}": ((), getattr(found.known, name), described(label, unit))
        for end, name in ends.items()
    }


def _bits(found: Findings, unit: str) -> dict[str, Any]:
    rows = [[_bits_of(table, s.name) for table in _tables(found)] for s in found.streams]
    return interval_variables(("stream", "net"), rows or np.empty((0, 2)).tolist(), unit)


def _tables(found: Findings) -> tuple[Mapping[str, Judged], Mapping[str, Judged]]:
    return found.plain, found.mended


def _bits_of(table: Mapping[str, Judged], name: str) -> Interval | None:
    judged = table.get(name)
    return None if judged is None else judged.bits


def _metrics(found: Findings) -> dict[str, Any]:
    if found.bench.metric is None:
        return {}
    tables = _tables(found)
    rows = [[metric_numbers(t.get(s.name)) for t in tables] for s in found.streams]
    names = [[worst_name(t.get(s.name)) for t in tables] for s in found.streams]
    points = [metric_numbers(point.judged) for point in found.points]
    worst = [worst_name(point.judged) for point in found.points]
    metric = found.bench.metric.name
    made: dict[str, Any] = {}
    for dims, values, prefix in (
        (("stream", "net"), np.array(rows, float).reshape(-1, 2, len(METRIC)), ""),
        (("point",), np.array(points, float).reshape(-1, len(METRIC)), "point_"),
    ):
        for place, (name, label) in enumerate(METRIC.items()):
            made[prefix + name] = (dims, values[..., place], described(label, metric))
    made["metric_worst"] = (("stream", "net"), np.array(names, object).reshape(-1, 2))
    made["point_metric_worst"] = ("point", np.array(worst, object))
    return made


def _streams(found: Findings, unit: str) -> dict[str, Any]:
    names = [stream.name for stream in found.streams]
    screen = found.screen
    made = {
        **savings_variables("stream", [_saved(found, n) for n in range(len(names))]),
        "status": ("stream", np.array([_status(found, name) for name in names], object)),
        "note": ("stream", np.array([_note(found, name) for name in names], object)),
        "best_mender": (
            "stream",
            np.array([_mender(found, name) for name in names], object),
            described("what mended best on the samples that choose"),
        ),
        "choosing_bits": (
            ("stream", "mender"),
            np.array([_choosing(found, name) for name in names], float).reshape(len(names), -1),
            described("rise of the loss on the samples that choose", unit),
        ),
    }
    for name, label in (
        ("fisher", "rank only: ½ E[(g·v)²] for drawn labels"),
        ("absolute", "rank only: mean abs(g·v) for true labels"),
    ):
        values = np.full(len(names), np.nan) if screen is None else getattr(screen, name)
        made[f"screen_{name}"] = ("stream", values, described(label, unit))
    if found.residuals is not None:
        label = "rank only: what no linear refit brings back, −½ log₂(1 − r) of what reads it"
        made["screen_residual"] = ("stream", found.residuals.alone(), described(label, "bits"))
    if found.shares:
        shares = [found.shares.get(name, math.nan) for name in names]
        made["shapley"] = ("stream", shares, described("Shapley share of the rise", unit))
    return made


def _saved(found: Findings, number: int) -> Savings:
    stream = found.streams[number]
    if stream.name in found.examined:
        return found.examined[stream.name].savings
    known = (stream.parameters, stream.multiply_adds)
    parameters, multiply_adds = (math.nan if k is None else float(k) for k in known)
    return Savings(parameters, multiply_adds)


def _status(found: Findings, name: str) -> str:
    """Return whether a stream was measured, only ranked, or cannot go."""
    if name in found.refused:
        return "cannot go"
    return "measured" if name in found.plain or name in found.mended else "ranked"


def _note(found: Findings, name: str) -> str:
    if name in found.refused:
        return found.refused[name]
    return found.examined[name].note if name in found.examined else ""


def _mender(found: Findings, name: str) -> str:
    return found.examined[name].mender if name in found.examined else ""


def _choosing(found: Findings, name: str) -> list[float]:
    tried = found.examined[name].menders if name in found.examined else {}
    return [tried.get(mender, math.nan) for mender in ("plain", *found.menders)]


def _frontier(found: Findings, unit: str) -> dict[str, Any]:
    names = [stream.name for stream in found.streams]
    points = [point.examined for point in found.points]
    inside = np.array([[name in p.streams for name in names] for p in points], np.int8)
    bits = [point.judged.bits for point in found.points]
    return {
        **interval_variables("point", bits, unit, "point_bits"),
        **savings_variables("point", [p.savings for p in points], "point_"),
        "in_point": (
            ("point", "stream"),
            inside.reshape(len(points), len(names)),
            described("whether the stream is in the set"),
        ),
        "point_mender": ("point", np.array([p.mender for p in points], object)),
        "point_choosing_bits": (
            "point",
            np.array([p.menders[p.mender] for p in points], float),
            described("rise of the loss on the samples that choose", unit),
        ),
        "point_note": ("point", np.array([p.note for p in points], object)),
    }


def _samples(found: Findings, unit: str) -> dict[str, Any]:
    held_out = found.bench.held_out
    bits = np.full(len(held_out.checksums), np.nan)
    labels = np.full(len(held_out.checksums), np.nan)
    bits[held_out.measured] = found.whole.bits
    labels[held_out.measured] = found.whole.labels
    return {
        "role": ("sample", np.array(held_out.roles(), object), described("what it is used for")),
        "checksum": ("sample", held_out.checksums, described("of the sample's inputs")),
        "sample_bits": ("sample", bits, described("loss of the whole net", unit)),
        "sample_labels": ("sample", labels, described("number of labels", "1")),
    }
