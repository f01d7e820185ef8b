"""Let Python's garbage collector look at what is new only."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def older_objects_left_alone() -> Iterator[None]:
    """Keep the garbage collector on, but away from what exists already.

    A trace makes many objects, and so many collections; each would look at every object of every
    library that is loaded. Where the caller has frozen objects itself, nothing is changed.

    Examples
    --------
    >>> import gc
    >>> with older_objects_left_alone():
    ...     gc.get_freeze_count() > 0
    True
    >>> gc.get_freeze_count()
    0
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
