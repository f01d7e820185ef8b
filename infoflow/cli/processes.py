"""The processes that ``torchrun`` has started, for one command."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from infoflow.interface import InfoflowWarning


@contextmanager
def joined() -> Iterator[bool]:
    """Join the processes of ``torchrun``, where there are several; tell whether this one writes.

    The others print nothing and give no warnings of ours. Each has a GPU of its own where there are
    enough.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
        yield True
        return
    import torch
    import torch.distributed as dist

    here = int(os.environ.get("LOCAL_RANK", "0"))
    if here < torch.cuda.device_count():
        torch.cuda.set_device(here)
    dist.init_process_group("gloo")
    try:
        if dist.get_rank() == 0:
            yield True
            return
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", InfoflowWarning)
            yield False
    finally:
        dist.destroy_process_group()
