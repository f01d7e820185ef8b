"""Measurements as labelled arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from infoflow.flow.measure import Measurement
from infoflow.flow.stream_information import QUANTITIES, StreamMeter
from infoflow.graph import LayerGraph
from infoflow.interface import Estimate, Estimator, PropagatedNoise, Unit, nats_per

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
    "ixm_sketch_error": "error of I(X;M) that comes from sketched distances",
    "iym_sketch_error": "error of I(Y;M) that comes from sketched distances",
}
#: Doubts that only some estimators give; kept where they do.
WHERE_KNOWN = {
    "ixm_standard_error": "standard error of I(X;M), from random draws",
    "iym_standard_error": "standard error of I(Y;M), from random draws",
    "ixm_risk_bound": "worst case of the expected error of I(X;M), from theory",
}
FLAGS = {
    "ixm_saturated": "I(X;M) above 95 % of its ceiling",
    "iym_saturated": "I(Y;M) above 95 % of its ceiling",
}
DOUBT = "doubt"
STREAM_PREFIX = "stream_"


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
        DOUBT: _per_layer(estimates, "doubt", "what speaks against the numbers", None),
        "samples": _per_epoch(estimates, "samples", "number of samples", None),
        **{
            name: xr.Variable(
                ("epoch", "layer"),
                [[error / nats_per(unit) for error in measurement.stated_errors(number)]],
                _attributes(label, unit),
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


#: What a file must hold, as variables or coordinates, and as attributes.
NEEDED = (
    *("epoch", "layer", "index", "ixm", "iym", "samples"),
    *("ixm_ceiling", "iym_ceiling", "ixm_saturated", "iym_saturated"),
    *("kind", "target"),
)


def with_missing(dataset: xr.Dataset) -> xr.Dataset:
    """Add what files of before lack, as unknown."""
    unit = dataset["ixm"].attrs["units"]
    known = {**PER_LAYER, **SKETCH_ERRORS}
    missing = {name: label for name, label in known.items() if name not in dataset}
    if DOUBT not in dataset:
        empty = np.full(dataset["ixm"].shape, "", dtype=object)
        dataset = dataset.assign({DOUBT: dataset["ixm"].copy(data=empty).assign_attrs({})})
    return dataset.assign(
        {
            name: dataset["ixm"]
            .copy(data=np.full(dataset["ixm"].shape, np.nan))
            .assign_attrs(_attributes(label, unit))
            for name, label in missing.items()
        }
    )


def _per_layer(
    estimates: Sequence[Estimate], name: str, label: str, unit: Unit | None
) -> xr.Variable:
    values = np.array([[getattr(estimate, name) for estimate in estimates]])
    if values.dtype == bool:
        values = values.astype(np.int8)
    if values.dtype.kind == "U":
        values = values.astype(object)  # of any length, also when epochs are joined
    return xr.Variable(("epoch", "layer"), values, _attributes(label, unit))


def _where_known(estimates: Sequence[Estimate], unit: Unit) -> dict[str, xr.Variable]:
    found = {name: _per_layer(estimates, name, label, unit) for name, label in WHERE_KNOWN.items()}
    return {name: variable for name, variable in found.items() if variable.notnull().any()}


def _per_epoch(
    estimates: Sequence[Estimate], name: str, label: str, unit: Unit | None
) -> xr.Variable:
    return xr.Variable(("epoch",), [getattr(estimates[0], name)], _attributes(label, unit))


def _attributes(label: str, unit: Unit | None) -> dict[str, str]:
    return {"long_name": label} if unit is None else {"long_name": label, "units": unit}


def _sweep(
    sweep: Mapping[str, Sequence[tuple[float, float]]], unit: Unit
) -> dict[str, xr.Variable]:
    values = np.array(list(sweep.values())) / nats_per(unit)
    return {
        f"{name}_sweep": xr.Variable(
            ("epoch", "noise", "layer"),
            values[None, :, :, number],
            _attributes(f"{PER_LAYER[name]} by noise", unit),
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
            dimensions, values(name, factor), _attributes(name.replace("_", " "), unit)
        )
        for name in QUANTITIES
    }
    variables[f"{STREAM_PREFIX}is_saturated"] = xr.Variable(
        dimensions,
        values("is_saturated").astype(np.int8),
        _attributes("the other streams are above 95 % of the ceiling", None),
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
