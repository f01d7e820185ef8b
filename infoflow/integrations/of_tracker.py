"""Errors and warnings of several Trackers say which one they are of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from infoflow.interface import InfoflowError, InfoflowWarning, warn


@contextmanager
def of_tracker(name: str) -> Iterator[None]:
    """Say in our errors and warnings which Tracker they are of, where there are several."""
    if not name:
        yield
        return
    seen: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", InfoflowWarning)
            yield
    except InfoflowError as error:
        if error.args:
            error.args = (f"Tracker {name!r}: {error.args[0]}", *error.args[1:])
        raise
    finally:
        for one in seen:
            if issubclass(one.category, InfoflowWarning):
                warn(f"Tracker {name!r}: {one.message}", one.category)
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
