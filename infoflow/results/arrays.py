"""Joining datasets along a dimension, new or there already, and taking parts out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infoflow.interface import ArgumentError

if TYPE_CHECKING:
    import xarray as xr


def join_arrays(datasets: Sequence[xr.Dataset], along: str, labels: Sequence[Any]) -> xr.Dataset:
    """Return datasets along a dimension that they have, or along a new one with ``labels``."""
    import xarray as xr

    is_new = along not in datasets[0].dims
    if not is_new:
        _check_the_rest(datasets, along)
    if is_new:
        datasets = [
            without_attribute(one, along).expand_dims({along: [label]})
            for one, label in zip(datasets, labels, strict=True)
        ]
    joined = xr.concat(
        datasets,
        dim=along,
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="drop_conflicts",
    )
    return joined if is_new else joined.sortby(along)


def _check_the_rest(datasets: Sequence[xr.Dataset], along: str) -> None:
    """Raise an ArgumentError where a number that is not of ``along`` would be lost."""
    first = datasets[0]
    for name, variable in first.data_vars.items():
        is_same = all(one[name].equals(variable) for one in datasets[1:])
        if along not in variable.dims and not is_same:
            raise ArgumentError(
                f"{name} is of all that was measured along {along!r}, and differs, so that these "
                f"results are not joined along {along!r}. Join along another name, or measure all "
                "at once."
            )


def part_of_arrays(
    dataset: xr.Dataset, name: str, labels: Sequence[Any], *, drops: bool
) -> xr.Dataset:
    """Return what a dataset has at labels; ``drops`` takes a dimension of one label away."""
    found = dataset.sel({name: list(labels)})
    return found.isel({name: 0}, drop=True) if drops else found


def join_rows(
    datasets: Sequence[xr.Dataset], row: str, along: str, labels: Sequence[Any]
) -> xr.Dataset:
    """Return the rows of datasets one after the other, with a coordinate that says whose each is.

    What has no rows is put along a dimension of its own, ``each_seed`` for ``"seed"``.
    """
    import xarray as xr

    rows, others = [], []
    for one, label in zip(datasets, labels, strict=True):
        plain = without_attribute(one, along)
        single = [name for name, variable in plain.data_vars.items() if row not in variable.dims]
        own = plain.drop_vars(single)
        if along not in own.variables:
            own = own.assign_coords({along: (row, [label] * own.sizes[row])})
        rows.append(own)
        rest = plain[single]
        others.append(
            rest if each(along) in rest.dims else rest.expand_dims({each(along): [label]})
        )
    rows = _equally_wide(rows, row)
    kept = xr.concat(rows, dim=row, combine_attrs="drop_conflicts", join="outer")
    if not others[0].data_vars:
        return kept
    rest = xr.concat(others, dim=each(along), join="outer", combine_attrs="drop_conflicts")
    return kept.merge(rest, combine_attrs="override")


def _equally_wide(datasets: Sequence[xr.Dataset], row: str) -> list[xr.Dataset]:
    """Pad the dimensions without labels, of tuples of numbers, to the longest of each."""
    widths: dict[str, int] = {}
    for one in datasets:
        for name, size in one.sizes.items():
            if name != row and name not in one.indexes:
                widths[str(name)] = max(size, widths.get(str(name), 0))
    return [
        one.pad({name: (0, width - one.sizes[name]) for name, width in widths.items()})
        if any(one.sizes.get(name, width) < width for name, width in widths.items())
        else one
        for one in datasets
    ]


def part_of_rows(
    dataset: xr.Dataset, row: str, name: str, labels: Sequence[Any], *, drops: bool
) -> xr.Dataset:
    """Return the rows at labels; ``drops`` takes the coordinate of one label away."""
    chosen = dataset[name].isin(list(labels)).values.nonzero()[0]
    found = dataset.isel({row: chosen})
    if each(name) in found.dims:
        found = part_of_arrays(found, each(name), labels, drops=drops)
    return found.drop_vars(name) if drops else found


def each(along: str) -> str:
    """Return the dimension of what a table has once for each part that was joined."""
    return f"each_{along}"


def without_attribute(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Return the dataset without an attribute that has become a coordinate."""
    found = dataset.copy(deep=False)
    found.attrs = {key: value for key, value in dataset.attrs.items() if key != name}
    return found
