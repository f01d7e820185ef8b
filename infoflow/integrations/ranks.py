"""Processes of one training: the first one works, the others wait and learn how it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from infoflow.interface import InfoflowError


class Ranks:
    """The processes of the default group of ``torch.distributed``; one where there is no group."""

    def __init__(self) -> None:
        is_group = dist.is_available() and dist.is_initialized()
        self.number = dist.get_world_size() if is_group else 1
        self.mine = dist.get_rank() if is_group else 0

    @contextmanager
    def in_turn(self) -> Iterator[bool]:
        """Tell process 0 to work; let the others wait until it is done.

        Raises
        ------
        InfoflowError
            In the processes that wait, where the work failed.
        """
        if self.number == 1:
            yield True
            return
        said: list[str | None] = [None]
        try:
            yield self.mine == 0
        except BaseException as error:
            said = [f"{type(error).__name__}: {error}"]
            raise
        finally:
            dist.broadcast_object_list(said, src=0)
        if said[0] is not None:
            raise InfoflowError(f"Process 0 failed while it measured, with {said[0]}")
