"""Rows of frozen dataclasses as columns of a dataset, and back."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

#: How the name of the column ends that counts the numbers of a row's tuple.
_COUNT = "_count"


def columns_of(
    rows: Sequence[Any], row: type, dim: str, units: Mapping[str, str]
) -> dict[str, xr.Variable]:
    """Return a column for each field of the rows.

    Numbers, texts and truth values are columns as they are; None is NaN or an empty text. A field
    that is a dataclass gives columns of its own fields, ``field_name``, but ``field`` for its
    ``value``. A tuple of numbers has a second dimension; everything else is JSON.
    """
    import xarray as xr

    found: dict[str, xr.Variable] = {}
    for name, path, hint in _leaves(row):
        cells = [_at(one, path) for one in rows]
        about = {"long_name": name.replace("_", " ")}
        if name in units:
            about["units"] = units[name]
        if _is_numbers(hint):
            counts = [len(cell) for cell in cells]
            padded = np.full((len(cells), max(counts, default=0)), np.nan)
            for numbers, cell in zip(padded, cells, strict=True):
                numbers[: len(cell)] = cell
            found[name] = xr.Variable((dim, f"{name}_number"), padded, about)
            found[name + _COUNT] = xr.Variable((dim,), np.array(counts, dtype=np.int64))
        else:
            found[name] = xr.Variable((dim,), _column(cells, hint), about)
    return found


def rows_of(dataset: xr.Dataset, row: type, dim: str) -> tuple[Any, ...]:
    """Return the rows that :func:`columns_of` was given."""
    cells: dict[str, list[Any]] = {}
    for name, _, hint in _leaves(row):
        values = dataset[name].values.tolist()
        if _is_numbers(hint):
            counts = dataset[name + _COUNT].values.tolist()
            pairs = zip(values, counts, strict=True)
            values = [tuple(numbers[: int(count)]) for numbers, count in pairs]
        cells[name] = values
    return tuple(
        _made(row, {name: column[i] for name, column in cells.items()}, "")
        for i in range(dataset.sizes[dim])
    )


def missing_columns(dataset: xr.Dataset, row: type, label: str) -> list[str]:
    """Return the columns of rows that a dataset lacks; ``label`` names the rows and is none."""
    wanted = []
    for name, _, hint in _leaves(row):
        wanted += [name, name + _COUNT] if _is_numbers(hint) else [name]
    return [name for name in wanted if name != label and name not in dataset.variables]


def readable(dataset: xr.Dataset, row: type, dim: str) -> xr.Dataset:
    """Return the columns as people read them: tuples as texts, and each number on its own."""
    changed: dict[str, Any] = {}
    for name, _, hint in _leaves(row):
        if name in dataset and _is_json(hint):
            changed[name] = dim, [_words(text) for text in dataset[name].values.tolist()]
        elif _is_numbers(hint):
            several = dataset[name].transpose(dim, ...).values
            changed |= {f"{name}_{i}": (dim, column) for i, column in enumerate(several.T)}
            dataset = dataset.drop_vars([name, name + _COUNT])
    return dataset.assign(changed)


def _words(text: str) -> str:
    value = json.loads(text) if text else ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --------------------------------------------------------------------------- fields and hints


@cache
def _hints(row: type) -> Mapping[str, Any]:
    known = get_type_hints(row)
    return {field.name: known[field.name] for field in fields(row)}


def _leaves(
    row: type, prefix: str = "", path: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield the column, the way to the value, and the type, of every field that is no row."""
    for name, hint in _hints(row).items():
        plain = _plain_hint(hint)
        if _is_rows(plain):
            yield from _leaves(plain, _name(prefix, name), (*path, name))
        else:
            yield _name(prefix, name), (*path, name), hint


def _name(prefix: str, name: str) -> str:
    if not prefix:
        return name
    return prefix if name == "value" else f"{prefix}_{name}"


def _plain_hint(hint: Any) -> Any:
    """Return a type without its None."""
    if get_origin(hint) in (Union, types.UnionType):
        kept = [one for one in get_args(hint) if one is not type(None)]
        return kept[0] if len(kept) == 1 else hint
    return hint


def _is_rows(hint: Any) -> bool:
    return is_dataclass(hint)


def _is_text(hint: Any) -> bool:
    plain = _plain_hint(hint)
    named = get_args(plain)
    return plain is str or (bool(named) and all(isinstance(one, str) for one in named))


def _is_numbers(hint: Any) -> bool:
    return get_origin(hint) is tuple and get_args(hint) == (float, ...)


def _is_json(hint: Any) -> bool:
    plain = _plain_hint(hint)
    return plain not in (int, float, bool) and not _is_text(hint) and not _is_numbers(hint)


# --------------------------------------------------------------------------- cells


def _at(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = None if row is None else getattr(row, name)
    return row


def _column(cells: Sequence[Any], hint: Any) -> np.ndarray:
    if _is_text(hint):
        return np.array(["" if cell is None else str(cell) for cell in cells], dtype=object)
    if _is_json(hint):
        texts = ["" if cell is None else json.dumps(cell) for cell in cells]
        return np.array(texts, dtype=object)
    if any(cell is None for cell in cells):
        return np.array([math.nan if cell is None else float(cell) for cell in cells])
    return np.array(cells, dtype={int: np.int64, bool: bool}.get(_plain_hint(hint), np.float64))


def _made(row: type, cells: Mapping[str, Any], prefix: str) -> Any:
    made = {}
    for name, hint in _hints(row).items():
        plain, column = _plain_hint(hint), _name(prefix, name)
        if not _is_rows(plain):
            made[name] = _value(cells[column], hint)
            continue
        own = [leaf for leaf, _, _ in _leaves(plain, column)]
        is_none = plain is not hint and all(_is_missing(cells[leaf]) for leaf in own)
        made[name] = None if is_none else _made(plain, cells, column)
    return row(**made)


def _is_missing(cell: Any) -> bool:
    return bool(cell == "" or cell != cell)


def _value(cell: Any, hint: Any) -> Any:
    plain = _plain_hint(hint)
    if plain is not hint and _is_missing(cell):
        return None
    if _is_json(hint):
        return _tuples(json.loads(cell), plain)
    return cell if _is_text(hint) or _is_numbers(hint) else plain(cell)


def _tuples(value: Any, hint: Any) -> Any:
    """Return what JSON gave, with tuples where the type has them."""
    if get_origin(hint) is tuple and isinstance(value, list):
        inner = get_args(hint)
        return tuple(_tuples(item, inner[0]) for item in value)
    return value
