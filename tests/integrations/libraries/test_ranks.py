"""Two processes of one training: both measure, the first one writes, and none waits for ever."""

import pytest
import torch
from torch import nn

import infoflow
from infoflow.integrations.watch import Watch
from tests.processes import note, noted, run_together


class Board:
    def __init__(self, folder, rank):
        self._path = folder / f"{rank}.logged"

    def add_scalar(self, name, value, step):
        self._path.touch()


def watched(rank, folder):
    """Let a training of two processes go on, and fail in the second epoch's measurement."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    tracker = infoflow.Tracker(
        net, list(torch.randn(12, 3).split(5)), noise=1.0, path=folder / "flow.nc", progress=False
    )
    watch = Watch(tracker, writer=Board(folder, rank))
    watch.start(0, 0)
    watch.finish_epoch(1, 5)
    note(folder, rank, "measured", lambda: watch.result.ixm.values.tolist())
    if rank == 0:
        tracker.loader = []
    note(folder, rank, "error", lambda: watch.finish_epoch(2, 10))


@pytest.mark.thorough
def test_both_processes_measure_and_the_first_one_writes(tmp_path):
    assert run_together(watched, tmp_path) == [0, 0]
    assert [(tmp_path / f"{rank}.logged").exists() for rank in (0, 1)] == [True, False]
    result = infoflow.load(tmp_path / "flow.nc")
    assert result.epochs == [0, 1]
    assert noted(tmp_path, "measured") == [result.ixm.values.tolist()] * 2
    first, second = noted(tmp_path, "error")
    assert first.startswith("LoaderError: The loader gives no batches")
    assert second == f"InfoflowError: Process 0 of 2 failed, with {first}"
