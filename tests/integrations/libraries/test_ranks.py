"""Two processes of one training: the first one measures and writes, and no one waits for ever."""

from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

import infoflow
from infoflow.integrations.watch import Watch


def watched(rank, folder):
    """Let a training of two processes go on, and fail in the second epoch's measurement."""
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    tracker = infoflow.Tracker(
        net, [torch.randn(12, 3)], noise=1.0, path=folder / "flow.nc", progress=False
    )
    watch = Watch(tracker)
    watch.start(0, 0)
    watch.finish_epoch(1, 5)
    (folder / f"{rank}.measured").write_text(str(tracker.has_measured))
    if rank == 0:
        tracker.loader = []
    try:
        watch.finish_epoch(2, 10)
    except infoflow.InfoflowError as error:
        (folder / f"{rank}.error").write_text(str(error))
    dist.destroy_process_group()


def test_the_first_process_measures_and_the_others_learn_how_it_went(tmp_path):
    torch.multiprocessing.spawn(watched, (tmp_path,), nprocs=2)
    assert [(tmp_path / f"{rank}.measured").read_text() for rank in (0, 1)] == ["True", "False"]
    assert infoflow.load(tmp_path / "flow.nc").epochs == [0, 1]
    first, second = ((tmp_path / f"{rank}.error").read_text() for rank in (0, 1))
    assert first.startswith("The loader gives no batches")
    assert second == f"Process 0 failed while it measured, with LoaderError: {first}"
