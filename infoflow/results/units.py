"""Bits and nats in the units of a dataset's variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from infoflow.interface import ArgumentError, Unit, nats_per

if TYPE_CHECKING:
    import xarray as xr

#: ``"bits"``, ``"bits per pixel"``, and the same in nats.
_INFORMATION = re.compile(r"^(bits|nats)\b")


def information_unit(dataset: xr.Dataset) -> str:
    """Return ``"bits"`` or ``"nats"``, of the first variable in either; else nothing."""
    for variable in dataset.variables.values():
        found = _INFORMATION.match(str(variable.attrs.get("units", "")))
        if found:
            return found[1]
    return ""


def in_unit(dataset: xr.Dataset, unit: Unit, name: str) -> xr.Dataset:
    """Return the dataset with all information in ``unit``; ``name`` is that of the result."""
    nats_per(unit)
    if not information_unit(dataset):
        raise ArgumentError(f"{name} holds no information in bits or nats, so that it has no unit.")
    changed = {}
    for key, variable in dataset.variables.items():
        if _names_units(str(key)):
            words = [_INFORMATION.sub(unit, str(word)) for word in variable.values.flat]
            changed[key] = variable.copy(data=_like(variable.values, words))
            continue
        old = str(variable.attrs.get("units", ""))
        found = _INFORMATION.match(old)
        if found:
            scaled = variable * (nats_per(found[1]) / nats_per(unit))
            scaled.attrs = {**variable.attrs, "units": _INFORMATION.sub(unit, old)}
            changed[key] = scaled
    about = {
        key: _INFORMATION.sub(unit, value)
        for key, value in dataset.attrs.items()
        if _names_units(str(key))
    }
    return dataset.assign(changed).assign_attrs(about)


def _names_units(key: str) -> bool:
    """Tell whether a variable or an attribute holds the names of units."""
    return key == "unit" or key.endswith("_unit")


def _like(values: np.ndarray, words: list[str]) -> np.ndarray:
    return np.array(words, dtype=object).reshape(values.shape)
