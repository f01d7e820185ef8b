"""Put off Python's full garbage collections."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: So many collections of the middle generation happen in no trace.
_NEVER = 1_000_000


@contextmanager
def full_collections_put_off() -> Iterator[None]:
    """Let the garbage collector look at young objects only.

    A trace makes many objects, and so full collections. Each of those would look at every object of
    every library that is loaded.

    Examples
    --------
    >>> import gc
    >>> before = gc.get_threshold()
    >>> with full_collections_put_off():
    ...     gc.get_threshold()[:2] == before[:2], gc.get_threshold()[2]
    (True, 1000000)
    >>> gc.get_threshold() == before
    True
    """
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
