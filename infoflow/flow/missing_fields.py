"""What files of earlier versions lack, and what stands for it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from infoflow.flow.dataset import (
    DOUBT,
    FLAGS,
    PER_LAYER,
    SKETCH_ERRORS,
    STREAM_FLAGS,
    STREAM_PREFIX,
    attributes_of,
)
from infoflow.flow.stream_parts import QUANTITIES
from infoflow.interface import (
    is_arithmetic,
    is_separated,
)

#: What a file must hold, as variables or coordinates, and as attributes.
NEEDED = (
    *("epoch", "layer", "index", "ixm", "iym", "samples"),
    *("ixm_ceiling", "iym_ceiling", "ixm_saturated", "iym_saturated"),
    *("kind", "target"),
)


def with_missing(dataset: xr.Dataset) -> xr.Dataset:
    """Add what older files lack, as unknown, and flags that follow from what they have."""
    unit = dataset["ixm"].attrs["units"]
    known = {**PER_LAYER, **SKETCH_ERRORS}
    missing = {name: label for name, label in known.items() if name not in dataset}
    if DOUBT not in dataset:
        empty = np.full(dataset["ixm"].shape, "", dtype=object)
        dataset = dataset.assign({DOUBT: dataset["ixm"].copy(data=empty).assign_attrs({})})
    dataset = dataset.assign(
        {
            name: dataset["ixm"]
            .copy(data=np.full(dataset["ixm"].shape, np.nan))
            .assign_attrs(attributes_of(label, unit))
            for name, label in missing.items()
        }
    )
    if "iym_separated" not in dataset:
        dataset = dataset.assign(_target_flags(dataset))
    return dataset.assign(_missing_streams(dataset)) if "stream" in dataset.dims else dataset


def _missing_streams(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return what older files lack of streams: unknown numbers, and flags that are not raised."""
    like = dataset[f"{STREAM_PREFIX}rest"]
    absent = {name: f"{STREAM_PREFIX}{name}" for name in (*QUANTITIES, *STREAM_FLAGS)}
    return {
        stored: xr.zeros_like(like, dtype=np.int8)
        .drop_attrs()
        .assign_attrs(attributes_of(STREAM_FLAGS[name], None))
        if name in STREAM_FLAGS
        else xr.full_like(like, np.nan).assign_attrs(
            attributes_of(name.replace("_", " "), like.attrs["units"])
        )
        for name, stored in absent.items()
        if stored not in dataset
    }


def _target_flags(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the flags of I(Y;M): older files call every value at its ceiling saturated."""
    iym, null_high, ceiling = xr.broadcast(
        dataset["iym"], dataset["iym_null_high"], dataset["iym_ceiling"]
    )
    meanings = {"iym_saturated": is_arithmetic, "iym_separated": is_separated}
    return {
        name: xr.apply_ufunc(meaning, iym, null_high, ceiling, vectorize=True)
        .astype(np.int8)
        .drop_attrs()
        .assign_attrs(attributes_of(FLAGS[name], None))
        for name, meaning in meanings.items()
    }
