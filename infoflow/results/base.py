"""``Result``: the base of everything that infoflow measured and returns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from infoflow.interface import ArgumentError, ArgumentTypeError, Unit
from infoflow.interface.argument_checks import shown
from infoflow.results.arrays import join_arrays, part_of_arrays, without_attribute
from infoflow.results.facts import Fact
from infoflow.results.frame import about_variables, tidy_frame
from infoflow.results.html import notebook_html
from infoflow.results.kinds import register
from infoflow.results.labels import chosen_labels, labels_in
from infoflow.results.plain import plain
from infoflow.results.units import in_unit, information_unit
from infoflow.results.versions import versions_now
from infoflow.results.writing import write_whole

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Attributes of the dataset that say which result it is, and along what it was joined.
KIND, SCHEMA, JOINED = "infoflow_kind", "infoflow_schema", "infoflow_joined"
#: The attribute that says which versions measured it; older files lack it.
VERSIONS = "infoflow_versions"


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A measurement as a labelled dataset, with all that can be done to any of them.

    A subclass names its ``kind`` where that is not the name of the class, and adds properties and
    a ``table``; see :ref:`a result of your own <own-result>`.

    Parameters
    ----------
    dataset
        The numbers, with ``units`` in the attributes of each variable, and ``model`` and whatever
        else is true of all of them in the attributes of the dataset.

    Attributes
    ----------
    kind
        Name of the kind of result, in files.
    schema
        Version of what the dataset holds; raised when older files can no longer be read.
    needs
        Variables, coordinates and attributes that a file must hold.
    dims
        Dimensions of a row of :meth:`to_frame`. Joining along another one adds it.
    always
        Variables that :meth:`to_frame` shows even where all rows have the same number.
    agree
        Attributes in which results must agree to be joined.
    model
        Class name of the model.

    Raises
    ------
    ArgumentError
        If the dataset is that of another kind of result.

    Examples
    --------
    >>> import xarray as xr
    >>> class ZeroShares(Result):
    ...     dims = ("layer",)
    >>> share = ("layer", [0.0, 0.4], {"long_name": "share of zeros", "units": "1"})
    >>> dataset = xr.Dataset({"zeros": share}, {"layer": ["conv", "relu"]}, {"model": "Net"})
    >>> found = ZeroShares(dataset)
    >>> found
    ZeroShares(Net: 2 layers)
    >>> found.to_frame()
      layer  zeros
    0  conv    0.0
    1  relu    0.4
    """

    dataset: xr.Dataset

    kind: ClassVar[str] = ""
    schema: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    dims: ClassVar[tuple[str, ...]] = ()
    always: ClassVar[tuple[str, ...]] = ()
    agree: ClassVar[tuple[str, ...]] = ("model", "kind", "target")
    model = Fact(str, "")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" not in vars(cls):
            cls.kind = cls.__name__
        if cls.kind:
            register(cls)

    def __post_init__(self) -> None:
        if not hasattr(self.dataset, "data_vars"):
            raise ArgumentTypeError(
                f"{type(self).__name__} needs an xarray.Dataset, got {shown(self.dataset)}. "
                "infoflow.load(path) reads a file."
            )
        found = self.dataset.attrs.get(KIND, self.kind)
        if found != self.kind:
            raise ArgumentError(
                f"{type(self).__name__} needs a dataset of its own kind, got one of {found}. "
                "infoflow.load(path) finds the kind of a file."
            )
        marks = {KIND: self.kind, SCHEMA: self.schema}
        if SCHEMA not in self.dataset.attrs:  # measured just now
            marks[VERSIONS] = versions_now()
        marked = self.dataset.assign_attrs({**marks, **self.dataset.attrs})
        object.__setattr__(self, "dataset", marked)

    # ------------------------------------------------------------------------------ what it is of

    @property
    def unit(self) -> str:
        """``"bits"`` or ``"nats"``; empty where nothing is in either."""
        return information_unit(self.dataset)

    @property
    def joined_along(self) -> tuple[str, ...]:
        """Along what :func:`infoflow.concat` joined it, beside its own dimensions."""
        return tuple(str(self.dataset.attrs.get(JOINED, "")).split())

    def net(self) -> object:
        """Return what tells two nets apart; results of different ones are not joined."""
        return self.model

    # ------------------------------------------------------------------------------ changes

    def with_dataset(self, dataset: xr.Dataset) -> Self:
        """Return the same result with other numbers."""
        return replace(self, dataset=dataset)

    def to(self, unit: Unit) -> Self:
        """Return the result with all information in ``"bits"`` or ``"nats"``.

        Raises
        ------
        ArgumentError
            If nothing in it is in bits or nats.
        """
        return self.with_dataset(in_unit(self.dataset, unit, type(self).__name__))

    def sel(self, **labels: Any) -> Self:
        """Return a part of a joined result, such as ``result.sel(seed=0)``.

        Parameters
        ----------
        **labels
            A label, or several, for each dimension along which it was joined, or its own.

        Raises
        ------
        ArgumentError
            If there is no such dimension or label.
        """
        found = self
        for name, wanted in labels.items():
            along = found.joined_along
            names, kind = (*along, *found.dims), type(self).__name__
            several, is_one = chosen_labels(found.dataset, names, name, wanted, kind=kind)
            drops = is_one and name in along
            dataset = found._part(found.dataset, name, several, drops=drops)
            if drops:
                left = [other for other in along if other in dataset.variables]
                dataset = without_attribute(dataset, JOINED)
                dataset = dataset.assign_attrs({JOINED: " ".join(left)} if left else {})
            found = found.with_dataset(dataset)
        return found

    def joined_with(
        self, others: Sequence[Result], along: str, labels: Sequence[Any]
    ) -> xr.Dataset:
        """Return the dataset of several results; what :func:`infoflow.concat` calls."""
        return join_arrays([self.dataset, *(one.dataset for one in others)], along, labels)

    def may_differ(self, name: str) -> bool:
        """Tell whether results that are joined may have other labels of a name."""
        return False

    def _part(
        self, dataset: xr.Dataset, name: str, labels: Sequence[Any], *, drops: bool
    ) -> xr.Dataset:
        return part_of_arrays(dataset, name, labels, drops=drops)

    # ------------------------------------------------------------------------------ other forms

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy pandas frame, one row for each combination of :attr:`dims`.

        Columns that say nothing are left out: those without any number, and those that are not
        in :attr:`always` and have the same one in every row. ``.attrs["units"]`` has the units.
        """
        return tidy_frame(self.dataset, self.dims, self.joined_along, self.always)

    def frame_of_parts(self) -> pd.DataFrame:
        """Return the frames of all that was joined, one below the other."""
        import pandas as pd

        along = self.joined_along[0]
        parts = {
            label: self.sel(**{along: label}).to_frame() for label in labels_in(self.dataset, along)
        }
        for label, frame in parts.items():
            frame.insert(0, along, label)
        return pd.concat(list(parts.values()), ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, ready for JSON; None where there is none."""
        found: dict[str, Any] = plain(self.dataset.to_dict())
        return found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write netCDF, for :func:`infoflow.load`.

        A file that is there is replaced only when the new one is complete.

        Raises
        ------
        ResultFileError
            If the file cannot be written.
        """
        return write_whole(self.stored(), path)

    def stored(self) -> xr.Dataset:
        """Return what :meth:`save` writes."""
        return self.dataset

    @classmethod
    def from_stored(cls, dataset: xr.Dataset, path: Path) -> Self:
        """Return the result that :meth:`stored` gave; a ResultFileError where it is damaged."""
        return cls(dataset)

    # ------------------------------------------------------------------------------ text

    def title(self) -> str:
        """Return one line: the net, and how much was measured."""
        sizes = [_count(name, self._size(name)) for name in self._title_dims()]
        unit = [f"in {self.unit}"] if self.unit else []
        return f"{self.model or 'a result'}: {', '.join([*sizes, *unit])}"

    def table(self) -> str:
        """Return the table that ``print`` shows."""
        return f"{self.title()}\n\n{self.to_frame().to_string(index=False)}"

    def _size(self, name: str) -> int:
        if name in self.dataset.sizes or name not in self.dataset.variables:
            return self.dataset.sizes.get(name, 0)
        return len(labels_in(self.dataset, name))  # a label for each row of a table

    def _title_dims(self) -> tuple[str, ...]:
        return (*reversed(self.dims), *self.joined_along)

    def __str__(self) -> str:
        if not self.joined_along:
            return self.table()
        along = self.joined_along[0]
        labels = labels_in(self.dataset, along)
        parts = [f"{along} {label}\n\n{self.sel(**{along: label})}" for label in labels]
        return "\n\n".join([repr(self), *parts])

    def _heading(self) -> str:
        return Result.title(self) if self.joined_along else self.title()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._heading()})"

    def _repr_html_(self) -> str:
        return notebook_html(type(self).__name__, self._heading(), str(self), self.sections())

    def sections(self) -> dict[str, Any]:
        """Return what a notebook folds away below the table: frames and mappings, by title."""
        about = {key: v for key, v in self.dataset.attrs.items() if not key.startswith("infoflow_")}
        return {
            "Rows": self.to_frame(),
            "Variables": about_variables(self.dataset),
            "About": about,
        }

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self.dataset.identical(other.dataset))

    def __hash__(self) -> int:
        raise TypeError(f"{type(self).__name__} is compared by its numbers, so it has no hash.")

    def single(self) -> Self:
        """Return the result itself; an ArgumentError where several were joined."""
        if self.joined_along:
            along = self.joined_along[0]
            labels = labels_in(self.dataset, along)
            raise ArgumentError(
                f"This {type(self).__name__} joins several results along {along!r} ({labels}), "
                f"expected one. Take one with .sel({along}={labels[0]!r})."
            )
        return self


def _count(name: str, number: int) -> str:
    many = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return f"{number} {name if number == 1 else many}"
