"""Files and numbers of the version before are those of this one."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import infoflow
from infoflow.testing import UNet, blob_images
from tests import tiers

#: Written by the version before results were one family (commit 88bfd71): a small U-Net in
#: float64 after 0, 1 and 2 epochs of training, with a sweep of noise and with streams.
SAVED = Path(__file__).parent / "saved" / "unet.flow.nc"
#: What files have had since: flags and a null that older ones lack.
SINCE = ("iym_separated", "stream_is_separated", "stream_rest_null_high")
#: Flags that meant less in older files.
READ_AGAIN = ("iym_saturated", "stream_is_saturated")
NUCLEI = Path(infoflow.__file__).parents[1] / "examples" / "nuclei_unet" / "results"


@pytest.fixture(scope="module")
def stored():
    return xr.load_dataset(SAVED, engine="h5netcdf")


def test_a_file_of_the_version_before_is_read_as_it_is(stored):
    assert "infoflow_kind" not in stored.attrs
    result = infoflow.load(SAVED)
    assert isinstance(result, infoflow.FlowResult)
    wanted = stored.drop_vars("graph")
    assert set(result.dataset.variables) == {*wanted.variables, *SINCE}
    for name in wanted.variables:
        if name in READ_AGAIN:
            continue
        xr.testing.assert_identical(result.dataset[name].variable, wanted[name].variable)
    assert result.dataset.attrs == {**wanted.attrs, "infoflow_kind": "FlowResult"}
    assert len(result.graph.layers) == 23
    assert [str(skip) for skip in result.graph.skips] == ["7→11", "5→14", "3→17", "1→20"]


def _measured_now():
    """Measure what the saved file holds, as it was measured then."""
    torch.manual_seed(0)
    model = UNet(base_channels=2).double()
    images, masks = (one.double() for one in blob_images(24, size=32, seed=0))
    loader = [(images[i : i + 8], masks[i : i + 8]) for i in range(0, 24, 8)]
    tracker = infoflow.Tracker(
        model,
        loader,
        schedule=[0, 1, 2],
        target=infoflow.KMeans(4),
        noise=[1.0, "relative"],
        progress=False,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    tracker.record(0)
    for epoch in (1, 2):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy(model(x), y).backward()
            optimizer.step()
        tracker.record(epoch)
    return tracker.result


@pytest.mark.filterwarnings("ignore::infoflow.InfoflowWarning")
def test_the_same_measurement_gives_the_same_numbers(stored):
    now = _measured_now()
    for name, before in stored.drop_vars("graph").variables.items():
        after = now.dataset[name].variable
        assert after.dims == before.dims, name
        assert name in READ_AGAIN or after.attrs == before.attrs, name
        if before.dtype.kind == "f":
            np.testing.assert_allclose(after.values, before.values, rtol=0, atol=1e-9, err_msg=name)
        else:
            assert after.values.tolist() == before.values.tolist(), name


COMMITTED = {path.stem: path for path in sorted(NUCLEI.glob("*.flow.nc"))}
QUICK = "half-model1-seed0.flow"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(COMMITTED.pop(QUICK), id=QUICK),
        *(tiers.thorough(path, id=name) for name, path in COMMITTED.items()),
    ],
)
def test_committed_results_load(path):
    result = infoflow.load(path)
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        for name in set(stored.drop_vars("graph").variables) - set(READ_AGAIN):
            xr.testing.assert_equal(result.dataset[name].variable, stored[name].variable)
    assert len(result.to_frame()) == len(result.epochs) * len(result.layers)
