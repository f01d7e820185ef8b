"""``infoflow.load``: results of every kind."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from infoflow.interface import ArgumentTypeError, ResultFileError
from infoflow.interface.argument_checks import file_path, shown
from infoflow.results.base import Result
from infoflow.results.kinds import CLASSES

if TYPE_CHECKING:
    import xarray as xr

#: The kind of the files that name none: those of before there were several.
_FIRST = "FlowResult"

_R = TypeVar("_R", bound=Result)


@overload
def load(path: str | os.PathLike[str]) -> Any: ...


@overload
def load(path: str | os.PathLike[str], kind: type[_R]) -> _R: ...


def load(path: str | os.PathLike[str], kind: type[Result] | None = None) -> Any:
    """Read a result of any kind that its ``save`` wrote.

    Parameters
    ----------
    path
        A file of :class:`infoflow.FlowResult`, :class:`infoflow.PruningTrial` or any other result,
        also of a class of your own that has been imported.
    kind
        The class that is expected; None takes any.

    Returns
    -------
    Result
        Of the class that was saved.

    Raises
    ------
    ResultFileError
        If there is no such file, it is truncated, no infoflow result, of a kind that is not known
        here or not expected, or of another schema.
    """
    source = file_path("path", path)
    if kind is not None and not (isinstance(kind, type) and issubclass(kind, Result)):
        raise ArgumentTypeError(f"kind must be a class of results, got {shown(kind)}.")
    dataset = _read(source)
    found = str(dataset.attrs.get("infoflow_kind", _FIRST))
    cls = _class_of(found, source)
    if kind is not None and not issubclass(cls, kind):
        raise ResultFileError(f"{source} holds a result of kind {found!r}, expected {kind.kind!r}.")
    schema = dataset.attrs["infoflow_schema"]
    if schema != cls.schema:
        raise ResultFileError(
            f"{source} has schema {schema}, this version of infoflow reads schema {cls.schema}. "
            "Use the version that wrote it, or measure again."
        )
    lacking = [n for n in cls.needs if n not in dataset.variables and n not in dataset.attrs]
    if lacking:
        raise ResultFileError(
            f"{source} lacks {', '.join(lacking)}, which every {found} has. Measure again, or take "
            "the file from a complete copy."
        )
    return cls.from_stored(dataset, source)


def _read(source: Path) -> xr.Dataset:
    import xarray as xr

    if source.is_dir():
        raise ResultFileError(f"{source} is a folder, expected a file that .save() wrote.")
    if not source.is_file():
        raise ResultFileError(f"There is no file {source}. Expected a result that .save() wrote.")
    try:
        with xr.open_dataset(source, engine="h5netcdf") as stored:
            dataset = stored.load()
    except Exception as error:
        raise ResultFileError(
            f"{source} cannot be read as an infoflow result ({type(error).__name__}): it is "
            "truncated or no netCDF file. Measure again, or take the file from a complete copy."
        ) from error
    if "infoflow_schema" not in dataset.attrs:
        raise ResultFileError(
            f"{source} is netCDF, but no infoflow result: it has no infoflow_schema. Expected a "
            "file that the .save() of a result wrote."
        )
    return dataset


def _class_of(kind: str, source: Path) -> type[Result]:
    """Return the class of a kind; ours are imported when they are first asked for."""
    package = importlib.import_module("infoflow")
    if kind not in CLASSES and kind in package.__all__:
        getattr(package, kind)
    if kind not in CLASSES:
        raise ResultFileError(
            f"{source} holds a result of kind {kind!r}, which no class here reads. Import the "
            "module that defines its class first."
        )
    return CLASSES[kind]
