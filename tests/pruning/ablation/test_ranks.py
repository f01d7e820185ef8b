"""Two processes ablate as one does: streams are dealt, and one journal and result come out."""

import json

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.testing import UNet, blob_images
from tests.processes import note, noted, run_together

STREAMS = ["7->11", "1->20"]


def found(path, samples=165):
    torch.manual_seed(0)
    data = DataLoader(TensorDataset(*blob_images(samples, size=16)), batch_size=33)
    return infoflow.ablate(
        UNet(base_channels=2), data, streams=STREAMS, mend="reader", path=path, progress=False
    )


def work(rank, folder):
    found(folder / "journal").save(folder / f"ablation.{rank}.nc")
    # what is known is not measured again, also where the journal lacks a net
    lines = (folder / "journal").read_text().splitlines()
    if rank == 0:
        kept = [line for line in lines if "net 1" not in line]
        (folder / "part").write_text("\n".join(kept) + "\n")
    torch.distributed.barrier()
    note(folder, rank, "again", lambda: found(folder / "part").dataset["bits"].values.tolist())
    note(folder, rank, "other", lambda: found(None, 165 + rank) and None)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::infoflow.InfoflowWarning")
def test_two_processes_ablate_as_one_does(tmp_path):
    assert run_together(work, tmp_path) == [0, 0]
    alone = found(tmp_path / "alone").dataset
    for rank in (0, 1):
        dataset = infoflow.load(tmp_path / f"ablation.{rank}.nc").dataset
        assert set(dataset) == set(alone)
        for name, values in alone.items():
            if values.dtype.kind == "f" and "time" not in name and "cost" not in name:
                np.testing.assert_allclose(dataset[name], values, 1e-9, 1e-9, err_msg=name)
    names = [
        {json.loads(line).get("name") for line in (tmp_path / name).read_text().splitlines()}
        for name in ("journal", "alone", "part")
    ]
    assert names[0] == names[1] == names[2]
    again = noted(tmp_path, "again")
    assert again[0] == again[1]
    np.testing.assert_allclose(again[0], alone["bits"], rtol=1e-9, atol=1e-9)
    first, second = noted(tmp_path, "other")
    assert first == second
    assert "Processes 0 and 1 have other samples: " in first
