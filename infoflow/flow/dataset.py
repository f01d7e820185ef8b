"""Measurements as labelled arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from infoflow.estimators.jackknife import GROUPS
from infoflow.flow.measurement import Measurement
from infoflow.flow.stream_information import StreamMeter
from infoflow.flow.stream_parts import QUANTITIES
from infoflow.graph import LayerGraph
from infoflow.interface import (
    Estimate,
    Estimator,
    PropagatedNoise,
    Unit,
    nats_per,
)

PER_LAYER = {
    "ixm": "I(X;M)",
    "iym": "I(Y;M)",
    "ixm_lower": "lower bound on I(X;M)",
    "ixm_upper": "upper bound on I(X;M)",
    "iym_lower": "lower bound on I(Y;M)",
    "iym_upper": "upper bound on I(Y;M)",
    "ixm_ci_low": "lower end of the 95 % interval of I(X;M)",
    "ixm_ci_high": "upper end of the 95 % interval of I(X;M)",
    "iym_ci_low": "lower end of the 95 % interval of I(Y;M)",
    "iym_ci_high": "upper end of the 95 % interval of I(Y;M)",
    "iym_null": "mean of I(Y;M) for shuffled classes",
    "iym_null_high": "95 % quantile of I(Y;M) for shuffled classes",
}
PER_EPOCH = {
    "ixm_ceiling": "ceiling of I(X;M): log N",
    "iym_ceiling": "ceiling of I(Y;M): min(log N, H(Y))",
}
SKETCH_ERRORS = {
    "ixm_sketch_error": "error of I(X;M)",
    "iym_sketch_error": "error of I(Y;M)",
}
#: Doubts that only some estimators give; kept where they do.
WHERE_KNOWN = {
    "ixm_standard_error": "standard error of I(X;M), from random draws",
    "iym_standard_error": "standard error of I(Y;M), from random draws",
    "ixm_risk_bound": "worst case of the expected error of I(X;M), from theory",
}
#: Estimates without each group of samples; groups are the same for all layers of a measurement.
REPLICATES = {
    "ixm_replicates": "I(X;M) without each group of samples",
    "iym_replicates": "I(Y;M) without each group of samples",
}
FLAGS = {
    "ixm_saturated": "I(X;M) above 95 % of its ceiling",
    "iym_saturated": "I(Y;M) above 95 % of its ceiling, and its null, too",
    "iym_separated": "I(Y;M) above 95 % of its ceiling, and its null below that",
}
DOUBT = "doubt"
STREAM_PREFIX = "stream_"
STREAM_FLAGS = {
    "is_saturated": "the other streams are above 95 % of the ceiling, and their null, too",
    "is_separated": "the other streams are above 95 % of the ceiling, and their null below that",
}


def dataset_of(
    measurement: Measurement, estimator: Estimator, unit: Unit, epoch: int
) -> xr.Dataset:
    """Return all that was measured at an epoch, in ``unit``."""
    estimates = [estimate.to(unit) for estimate in measurement.estimates]
    variables = {
        **{name: _per_layer(estimates, name, label, unit) for name, label in PER_LAYER.items()},
        **{name: _per_layer(estimates, name, label, None) for name, label in FLAGS.items()},
        **{name: _per_epoch(estimates, name, label, unit) for name, label in PER_EPOCH.items()},
        **_where_known(estimates, unit),
        **_replicates(estimates, unit),
        DOUBT: _per_layer(estimates, "doubt", "what speaks against the numbers", None),
        "samples": _per_epoch(estimates, "samples", "number of samples", None),
        **{
            name: xr.Variable(
                ("epoch", "layer"),
                [[error / nats_per(unit) for error in measurement.stated_errors(number)]],
                attributes_of(f"{label} that comes from {measurement.strategy.doubt}", unit),
            )
            for number, (name, label) in enumerate(SKETCH_ERRORS.items())
        },
        "singleton_classes": _per_epoch(
            estimates, "singleton_classes", "classes of Y with one sample", None
        ),
    }
    coordinates = {
        "epoch": [epoch],
        "layer": [layer.name for layer in measurement.layers],
        "index": ("layer", [layer.index for layer in measurement.layers]),
    }
    known = measurement.known
    attributes = {
        "model": measurement.graph.model,
        "estimator": estimator.name,
        "kind": estimates[0].kind,
        "capture": str(measurement.strategy),
        "is_propagated": int(isinstance(estimator, PropagatedNoise) and estimator.is_propagated),
        "target": "none" if known is None else known.labels.description,
    }
    dataset = xr.Dataset(variables, coordinates, attributes)
    if measurement.sweep:
        dataset = dataset.assign(_sweep(measurement.sweep, unit))
        dataset = dataset.assign_coords(noise=list(measurement.sweep))
    if measurement.streams is not None and measurement.streams.rows:
        dataset = dataset.merge(_streams(measurement.streams, measurement.graph, unit, epoch))
    return dataset


def _per_layer(
    estimates: Sequence[Estimate], name: str, label: str, unit: Unit | None
) -> xr.Variable:
    values = np.array([[getattr(estimate, name) for estimate in estimates]])
    if values.dtype == bool:
        values = values.astype(np.int8)
    if values.dtype.kind == "U":
        values = values.astype(object)  # of any length, also when epochs are joined
    return xr.Variable(("epoch", "layer"), values, attributes_of(label, unit))


def _where_known(estimates: Sequence[Estimate], unit: Unit) -> dict[str, xr.Variable]:
    found = {name: _per_layer(estimates, name, label, unit) for name, label in WHERE_KNOWN.items()}
    return {name: variable for name, variable in found.items() if variable.notnull().any()}


def _replicates(estimates: Sequence[Estimate], unit: Unit) -> dict[str, xr.Variable]:
    """Return what intervals rest on, if any; NaN where a layer has fewer groups than most."""
    found = {}
    for name, label in REPLICATES.items():
        numbers = np.full((1, len(estimates), GROUPS), np.nan, dtype=np.float32)
        for row, estimate in zip(numbers[0], estimates, strict=True):
            known = getattr(estimate, name)[:GROUPS]
            row[: len(known)] = known
        if not np.isnan(numbers).all():
            about = attributes_of(label, unit)
            found[name] = xr.Variable(("epoch", "layer", "group"), numbers, about)
    return found


def _per_epoch(
    estimates: Sequence[Estimate], name: str, label: str, unit: Unit | None
) -> xr.Variable:
    return xr.Variable(("epoch",), [getattr(estimates[0], name)], attributes_of(label, unit))


def attributes_of(label: str, unit: Unit | None) -> dict[str, str]:
    """Return what a variable says of itself."""
    return {"long_name": label} if unit is None else {"long_name": label, "units": unit}


def _sweep(
    sweep: Mapping[str, Sequence[tuple[float, float]]], unit: Unit
) -> dict[str, xr.Variable]:
    values = np.array(list(sweep.values())) / nats_per(unit)
    return {
        f"{name}_sweep": xr.Variable(
            ("epoch", "noise", "layer"),
            values[None, :, :, number],
            attributes_of(f"{PER_LAYER[name]} by noise", unit),
        )
        for number, name in enumerate(("ixm", "iym"))
    }


def _streams(meter: StreamMeter, graph: LayerGraph, unit: Unit, epoch: int) -> xr.Dataset:
    factor = 1.0 / nats_per(unit)
    parts = [[row.parts[number] for row in meter.rows] for number in range(len(meter.noises))]
    dimensions = ("epoch", "stream_noise", "stream")

    def values(name: str, scale: float = 1.0) -> np.ndarray:
        return scale * np.array([[[getattr(part, name) for part in row] for row in parts]])

    variables = {
        f"{STREAM_PREFIX}{name}": xr.Variable(
            dimensions, values(name, factor), attributes_of(name.replace("_", " "), unit)
        )
        for name in QUANTITIES
    }
    for name, words in STREAM_FLAGS.items():
        flags = values(name).astype(np.int8)
        variables[f"{STREAM_PREFIX}{name}"] = xr.Variable(
            dimensions, flags, attributes_of(words, None)
        )
    about = {
        "source": [row.source for row in meter.rows],
        "merge": [row.merge.name for row in meter.rows],
        "role": ["main" if row.source == row.merge.main else "skip" for row in meter.rows],
        "label": [_stream_label(graph, row.source, row.merge.index) for row in meter.rows],
    }
    coordinates = {
        "epoch": [epoch],
        "stream": [f"{row.source}->{row.merge.name}" for row in meter.rows],
        "stream_noise": [str(noise) for noise in meter.noises],
        **{f"{STREAM_PREFIX}{name}": ("stream", column) for name, column in about.items()},
    }
    return xr.Dataset(variables, coordinates)


def _stream_label(graph: LayerGraph, source: str, merge: int | None) -> str:
    return f"{graph[source].index}→{'output' if merge is None else merge}"
