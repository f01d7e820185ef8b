"""``Table``: a result that is a sequence of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, get_args, overload

from infoflow.interface import ResultFileError
from infoflow.results.arrays import join_rows, part_of_rows
from infoflow.results.base import Result
from infoflow.results.columns import columns_of, missing_columns, readable, rows_of
from infoflow.results.frame import tidy_frame
from infoflow.results.plain import plain

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Row = TypeVar("Row")


@dataclass(frozen=True, eq=False, repr=False)
class Table(Result, Sequence[Row], Generic[Row]):
    """A result of rows, each a frozen dataclass; a column of the dataset for each of their fields.

    A subclass names the class of its rows, ``Table[Step]``, and what a row is of, as ``dims``.

    Attributes
    ----------
    row
        Class of the rows: a frozen dataclass of numbers, texts, truth values, tuples, None, and
        dataclasses of these.
    label
        The field that names a row, if any: the labels of the dimension.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Step:
    ...     name: str
    ...     loss: float
    >>> class Steps(Table[Step]):
    ...     dims = ("step",)
    >>> steps = Steps.of([Step("warm up", 2.0), Step("train", 0.5)], units={"loss": "bits"})
    >>> steps[1].loss, steps.unit, len(steps.to("nats"))
    (0.5, 'bits', 2)
    """

    kind: ClassVar[str] = ""
    row: ClassVar[type]
    label: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        for base in vars(cls).get("__orig_bases__", ()):
            named = get_args(base)
            if named and isinstance(named[0], type):
                cls.row = named[0]
        super().__init_subclass__(**options)

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        *,
        units: Mapping[str, str] | None = None,
        names: Sequence[str] | None = None,
        variables: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> Self:
        """Return the table of some rows; see :meth:`dataset_of`."""
        return cls(cls.dataset_of(rows, units=units, names=names, variables=variables, **about))

    @classmethod
    def dataset_of(
        cls,
        rows: Sequence[Row],
        *,
        units: Mapping[str, str] | None = None,
        names: Sequence[str] | None = None,
        variables: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> xr.Dataset:
        """Return the dataset of some rows.

        Parameters
        ----------
        rows
            Instances of the class of rows.
        units
            Units by column.
        names
            A name for each row, the labels of its dimension.
        variables
            Further variables of the dataset.
        **about
            What is true of all rows, the attributes of the dataset: numbers and texts.
        """
        import xarray as xr

        dim = cls.dims[0]
        columns = columns_of(rows, cls.row, dim, units or {})
        coordinates: dict[str, Any] = {} if names is None else {dim: list(names)}
        if cls.label:
            coordinates[dim] = columns.pop(cls.label)
        known = {key: value for key, value in about.items() if value is not None}
        return xr.Dataset({**columns, **(variables or {})}, coordinates, known)

    @classmethod
    def from_stored(cls, dataset: xr.Dataset, path: Path) -> Self:
        """Return the table of a file; a ResultFileError where it lacks columns."""
        lacking = missing_columns(dataset, cls.row, cls.label)
        if lacking or cls.dims[0] not in dataset.dims:
            raise ResultFileError(
                f"{path} lacks {', '.join(lacking or cls.dims)}, which every {cls.kind} has. "
                "Measure again, or take the file from a complete copy."
            )
        return cls(dataset)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The rows."""
        dataset, dim = self.dataset, self.dims[0]
        if self.label:
            dataset = dataset.assign({self.label: (dim, dataset[dim].values)})
        return rows_of(dataset, self.row, dim)

    def with_rows(self, rows: Sequence[Row]) -> Self:
        """Return the same table with other rows, of the same number."""
        units = {str(n): str(v.attrs.get("units", "")) for n, v in self.dataset.variables.items()}
        columns = columns_of(rows, self.row, self.dims[0], units)
        columns.pop(self.label, None)
        return self.with_dataset(self.dataset.assign(columns))

    def __len__(self) -> int:
        return self.dataset.sizes[self.dims[0]]

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...

    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        return self.rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what is true of all rows, and the rows, as plain lists, strings and numbers."""
        about = {k: v for k, v in self.dataset.attrs.items() if not k.startswith("infoflow_")}
        found: dict[str, Any] = plain(
            {**about, "rows": [asdict(cast(Any, row)) for row in self.rows]}
        )
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy pandas frame, one row for each row.

        Columns that say nothing are left out, as in :meth:`Result.to_frame`.
        """
        rows = readable(self.dataset, self.row, self.dims[0])
        return tidy_frame(rows, self.dims, self.joined_along, self.always)

    def joined_with(
        self, others: Sequence[Result], along: str, labels: Sequence[Any]
    ) -> xr.Dataset:
        """Return all rows, one result after the other."""
        datasets = [self.dataset, *(one.dataset for one in others)]
        return join_rows(datasets, self.dims[0], along, labels)

    def may_differ(self, name: str) -> bool:
        """Tell whether results that are joined may have other labels of a name."""
        return True

    def _part(
        self, dataset: xr.Dataset, name: str, labels: Sequence[Any], *, drops: bool
    ) -> xr.Dataset:
        return part_of_rows(dataset, self.dims[0], name, labels, drops=drops)
