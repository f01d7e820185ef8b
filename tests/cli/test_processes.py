"""``torchrun`` starts one command in several processes: one file and one table come out."""

import subprocess
import sys

import numpy as np
import pytest

import infoflow
from infoflow.cli.processes import joined


@pytest.mark.thorough
def test_torchrun_writes_one_file_with_the_numbers_of_one_process(
    infoflow_command, model_file, tmp_path
):
    words = ["analyze", f"{model_file}:make", "--data", f"{model_file}:data"]
    words += ["--target", "kmeans:3", "--noise", "100", "--distances", "sketch", "--out"]
    alone, both = tmp_path / "alone.nc", tmp_path / "both.nc"
    assert infoflow_command(*words, alone)[0] == 0
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "infoflow", *words, str(both)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("UNet, 12 samples") == 1
    first, second = (infoflow.load(path) for path in (alone, both))
    np.testing.assert_allclose(first.ixm, second.ixm, rtol=1e-9)
    np.testing.assert_allclose(first.iym, second.iym, rtol=1e-9, atol=1e-9)


def test_without_torchrun_the_only_process_writes(monkeypatch):
    for name in ("WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    with joined() as writes:
        assert writes
