"""A dataset as a tidy frame: one row for each combination of some dimensions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def tidy_frame(
    dataset: xr.Dataset, dims: Sequence[str], first: Sequence[str], always: Collection[str] = ()
) -> pd.DataFrame:
    """Return a row for each combination of ``dims``; what has other dimensions is left out.

    So are columns without any number or text, and, of more than one row, those that have the same
    in all of them and are not in ``always``. ``first`` are further dimensions, or labels of the
    rows, that come first.
    """
    import pandas as pd
    import xarray as xr

    rows = [dim for dim in (*first, *dims) if dim in dataset.dims]
    sizes = {dim: dataset.sizes[dim] for dim in rows}
    keys = [name for name in (*first, *rows) if name in dataset.variables]
    whole = xr.DataArray(np.empty(tuple(sizes.values())), dims=rows)
    columns = {}
    for name in dict.fromkeys([*keys, *map(str, dataset.coords), *map(str, dataset.data_vars)]):
        variable = dataset.variables[name]
        if (variable.ndim or not rows) and set(variable.dims) <= set(rows):
            values = dataset[name].broadcast_like(whole).transpose(*rows).values.ravel()
            if name in keys or says_something(values, is_kept=name in always):
                columns[name] = values
    frame = pd.DataFrame(columns)
    units = {name: dataset[name].attrs.get("units") for name in columns}
    frame.attrs["units"] = {name: unit for name, unit in units.items() if unit}
    return frame


def says_something(values: np.ndarray, *, is_kept: bool) -> bool:
    """Tell whether a column has any number or text, and, unless it is kept, more than one."""
    known = values[~is_missing(values)]
    if not len(known):
        return False
    return is_kept or len(values) == 1 or len(known) < len(values) or len(set(known.tolist())) > 1


def is_missing(values: np.ndarray) -> np.ndarray:
    """Tell of each value whether it is NaN or an empty text."""
    if values.dtype.kind == "f":
        missing: np.ndarray = np.isnan(values)
        return missing
    if values.dtype.kind in "OUT":
        return np.array([value == "" or value != value for value in values.tolist()], dtype=bool)
    return np.zeros(values.shape, dtype=bool)


def about_variables(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Return name, dimensions, units, meaning and range of every variable."""
    return {
        str(name): {
            "dimensions": ", ".join(f"{dim} {size}" for dim, size in variable.sizes.items()),
            "units": variable.attrs.get("units", ""),
            "meaning": variable.attrs.get("long_name", ""),
            "range": _range(variable.values),
        }
        for name, variable in dataset.variables.items()
    }


def _range(values: np.ndarray) -> str:
    if values.dtype.kind not in "fiu" or not values.size:
        return ""
    known = values[~is_missing(values)]
    return f"{known.min():.4g} to {known.max():.4g}" if known.size else "not known"
