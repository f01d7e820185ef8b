"""Labels by which a part of a result is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infoflow.interface import ArgumentError

if TYPE_CHECKING:
    import xarray as xr


def labels_in(dataset: xr.Dataset, name: str) -> list[Any]:
    """Return the labels of a coordinate, each once."""
    return list(dict.fromkeys(dataset[name].values.tolist()))


def chosen_labels(
    dataset: xr.Dataset, names: Sequence[str], name: str, wanted: Any, *, kind: str
) -> tuple[list[Any], bool]:
    """Return the labels that are wanted of one of ``names``, and whether it is a single one.

    ``kind`` is the result's, for errors.

    Raises
    ------
    ArgumentError
        If there is no such name or label.

    Examples
    --------
    >>> import xarray as xr
    >>> dataset = xr.Dataset(coords={"seed": [3, 5]})
    >>> chosen_labels(dataset, ("seed",), "seed", 5, kind="FlowResult")
    ([5], True)
    """
    if name not in names or name not in dataset.variables:
        expected = [one for one in names if one in dataset.variables]
        raise ArgumentError(
            f"{kind} cannot be chosen from by {name!r}; expected one of {', '.join(expected)}."
        )
    plain_wanted = wanted.tolist() if hasattr(wanted, "tolist") else wanted
    is_several = isinstance(plain_wanted, (list, tuple, range))
    several = list(plain_wanted) if is_several else [plain_wanted]
    if not several:
        raise ArgumentError(f"{name} must be one label or several, got none.")
    there = labels_in(dataset, name)
    strange = [label for label in several if label not in there]
    if strange:
        raise ArgumentError(f"{name} must be among {there}, got {strange[0]!r}.")
    return several, not is_several
