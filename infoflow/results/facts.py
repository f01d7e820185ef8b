"""Single numbers and texts of a result, read from its dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

from infoflow.interface import InfoflowError

_T = TypeVar("_T")


class Fact(Generic[_T]):
    """A number or text that is true of a whole result: a variable, or an attribute, of its name.

    Parameters
    ----------
    kind
        What makes the value of what the dataset holds, such as ``int``.
    default
        The value where the dataset has none.

    Examples
    --------
    >>> import xarray as xr
    >>> from infoflow.results import Result
    >>> class Drawn(Result):
    ...     seed = Fact(int)
    >>> Drawn(xr.Dataset(attrs={"seed": 3})).seed
    3
    """

    def __init__(self, kind: Callable[[Any], _T], default: Any = None) -> None:
        self._kind = kind
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, result: None, owner: type) -> Self: ...

    @overload
    def __get__(self, result: Any, owner: type) -> _T: ...

    def __get__(self, result: Any, owner: type) -> Self | _T:
        if result is None:
            return self
        dataset = result.dataset
        if self._name in dataset.variables:
            return self._kind(result.single().dataset[self._name].item())
        value = dataset.attrs.get(self._name, self._default)
        try:
            return self._kind(value)
        except TypeError as error:
            if value is not None:
                raise
            raise InfoflowError(
                f"This {type(result).__name__} has no {self._name}: it was not stored, or it "
                "differs between the results that were joined."
            ) from error


def lines(text: Any) -> tuple[str, ...]:
    """Return the lines of a text, as notes are kept."""
    return tuple(str(text or "").splitlines())


def if_known(number: Any) -> float | None:
    """Return a number, None where it is NaN or missing."""
    return None if number is None or number != number else float(number)
