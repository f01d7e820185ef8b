"""A process that examines one model after another, and that may be killed at any time."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
import time
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

#: Seconds for one model, and bytes of memory for the process.
TIMEOUT = 900
MEMORY = 9 * 2**30
#: Models after which the process is replaced.
MODELS = 25


class Worker:
    """Keeps one process, and starts another where that one dies, hangs or has grown old."""

    def __init__(self, *, analyze: bool, brief: bool = False) -> None:
        self._options = {"analyze": analyze, "brief": brief}
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._done = 0

    def examine(self, key: str) -> dict[str, Any]:
        """Return the record of a model."""
        if self._process is None or self._done >= MODELS:
            self.stop()
            self._start()
        self._done += 1
        self._connection.send(key)
        record: dict[str, Any] = {"key": key}
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                if not self._connection.poll(max(deadline - time.monotonic(), 0)):
                    self._process.kill()
                    return self._died(record, f"took more than {TIMEOUT} s")
                part = self._connection.recv()
            except (EOFError, ConnectionResetError):
                return self._died(record, "the process died")
            if part is None:
                return record
            record.update(part)

    def _died(self, record: dict[str, Any], reason: str) -> dict[str, Any]:
        self.stop()
        if record.get("status", "unfinished") == "unfinished":
            record.update(status="failed", reason=reason)
        return {**record, "interrupted": reason}

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, self._options))
        self._process.start()
        theirs.close()
        self._done = 0

    def stop(self) -> None:
        """End the process; kill it where it does not listen."""
        if self._process is not None:
            with suppress(OSError):
                self._connection.send(None)
            self._process.join(timeout=10)
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = None


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _serve(connection: Connection, options: dict[str, bool]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.environ["HF_HUB_OFFLINE"] = "1"  # no weights
    import torch

    import infoflow
    from tests.zoo.examine import examine
    from tests.zoo.library import find

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    infoflow.trace(torch.nn.Linear(2, 2), torch.rand(2, 2))  # what is loaded once is no cost
    for key in iter(connection.recv, None):
        entry = find(key)
        try:
            for part in examine(entry, **options):
                connection.send(part)
        except Exception as error:  # of the zoo itself
            connection.send({"interrupted": f"{type(error).__name__}: {error}"})
        connection.send(None)
