"""Trainings on two devices by the libraries' own means: each process measures, one writes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import infoflow
from tests.integrations import trainings
from tests.processes import noted

LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.thorough
@pytest.mark.parametrize("library", ["lightning", "transformers"])
def test_both_processes_find_the_same_as_one_does(library, tmp_path):
    done = subprocess.run(
        [sys.executable, *LAUNCHER, "-m", "tests.integrations.under_torchrun", library, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = noted(tmp_path, "found")
    assert first == second
    for name, tracker in trainings.trackers_of(trainings.Net()).items():
        result = infoflow.load(tmp_path / f"{name}.nc")
        assert result.epochs == [0, 1]
        assert result.ixm.values.tolist() == first[name]
        tracker.record(0)  # the untrained net has not met the batches of two devices
        np.testing.assert_allclose(result.ixm[0], tracker.result.ixm[0], rtol=1e-9)
