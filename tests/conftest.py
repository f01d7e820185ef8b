"""What all tests share: a quiet plotting backend, small nets and loaders, the real data's place."""

import functools
import os
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.testing import UNet, blob_images
from tests import tiers

mpl.use("Agg")

# Tests that run side by side, and the programs that they start, share the cores.
if (workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
    threads = max(1, (os.cpu_count() or 1) // workers)
    torch.set_num_threads(threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


@pytest.fixture(autouse=True)
def _fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _on_the_device(monkeypatch):
    """Measure on the device that the environment names, unless a test says where."""
    device = os.environ.get(tiers.DEVICE)
    for name in ("analyze", "ablate", "probe", "layer_unit_entropies") if device else ():
        measure = getattr(infoflow, name)
        monkeypatch.setattr(infoflow, name, functools.partial(measure, device=device))


@pytest.fixture(autouse=True)
def _no_figures_left():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def unet():
    return UNet(base_channels=4)


@pytest.fixture(scope="session")
def blobs():
    """20 images of 32×32 with masks: with batches of 6, the last one is ragged."""
    return TensorDataset(*blob_images(20, size=32, seed=3))


@pytest.fixture
def loader(blobs):
    return DataLoader(blobs, batch_size=6)


@pytest.fixture(scope="session")
def data_dir():
    """The folder with the real data sets; skips where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    place = Path(os.environ.get("INFOFLOW_DATA", beside))
    if not (place / "nuclei" / "stage1_train.zip").exists():
        pytest.skip(f"no real data in {place}: set INFOFLOW_DATA to the folder that holds nuclei/")
    return place
