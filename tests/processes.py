"""Several processes of ``torch.distributed`` on this machine, for tests."""

import json
from datetime import timedelta

import torch
import torch.distributed as dist

import infoflow


def run_together(work, folder, number=2):
    """Call ``work(rank, folder)`` in processes; return each exit code."""
    context = torch.multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_enter, args=(rank, number, work, folder)) for rank in range(number)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _enter(rank, number, work, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=number,
        timeout=timedelta(seconds=120),
    )
    work(rank, folder)
    dist.destroy_process_group()


def note(folder, rank, name, call):
    """Write down what a call returns, or the sentence of its error."""
    try:
        found = call()
    except infoflow.InfoflowError as error:
        found = f"{type(error).__name__}: {error}"
    (folder / f"{name}.{rank}.json").write_text(json.dumps(found))


def noted(folder, name, number=2):
    """Return what each process wrote down."""
    return [json.loads((folder / f"{name}.{rank}.json").read_text()) for rank in range(number)]
