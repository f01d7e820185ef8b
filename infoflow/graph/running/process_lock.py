"""One lock for everything that a process has only one of: random states, settings, patches."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Lock:
    """A lock that one thread may take several times; a forked process starts with a free one."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = threading.RLock()


_LOCK = _Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Let only one thread at a time run models under settings that hold for the whole process."""
    with _LOCK.lock:
        yield
