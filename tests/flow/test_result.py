"""Results: labelled, saved whole or not at all, read back the same."""

import json
import os

import numpy as np
import pytest
import torch
import torchvision
import xarray as xr
from torch import nn

import infoflow
from infoflow.interface import HighDimensionWarning, ResultFileError
from infoflow.testing import UNet


@pytest.fixture(scope="module")
def measured(blobs):
    torch.manual_seed(0)
    unet, loader = UNet(base_channels=2), [blobs.tensors]
    return infoflow.analyze(unet, loader, target=infoflow.KMeans(3), noise=100.0, progress=False)


@pytest.fixture
def result(measured):
    """A copy, which a test may change."""
    return measured.with_dataset(measured.dataset.copy(deep=True))


def test_every_quantity_has_its_units(result):
    for name in ("ixm", "iym", "ixm_lower", "iym_upper", "ixm_ceiling", "iym_ceiling"):
        assert result.dataset[name].attrs["units"] == "bits"
    assert result.dataset["iym"].dims == ("epoch", "layer")


def test_save_and_load(result, tmp_path):
    path = result.save(tmp_path / "new folder" / "result.nc")
    again = infoflow.load(path)
    xr.testing.assert_identical(again.dataset, result.dataset)
    assert again.graph.layers == result.graph.layers
    assert again.graph.merges == result.graph.merges
    assert str(again) == str(result)
    assert [p.name for p in path.parent.iterdir()] == ["result.nc"]


def test_a_graph_beyond_64_kilobytes_can_be_saved(tmp_path):
    model = torchvision.models.DenseNet(4, (6, 12, 24, 16), 8, bn_size=2).eval()
    result = infoflow.analyze(
        model, [torch.rand(3, 3, 32, 32)], layers="classifier", noise=9.0, progress=False
    )
    again = infoflow.load(result.save(tmp_path / "dense.nc"))
    assert len(again.graph.merges) == 58


def test_to_dict_has_no_nan(unet, loader):
    result = infoflow.analyze(unet, loader, target="none", noise=100.0, progress=False)
    about = result.to_dict()
    assert about["iym_ceiling"] is None
    assert about["layers"][22]["iym"] is None
    assert about["layers"][22]["ixm"] == result.ixm.values[0, 22]


def test_joined_keeps_order_and_replaces(result):
    def at(epoch, shift):
        moved = result.dataset.assign_coords(epoch=[epoch])
        higher = (moved["ixm"] + shift).assign_attrs(moved["ixm"].attrs)
        return infoflow.FlowResult(moved.assign(ixm=higher), result.graph)

    joined = at(5, 0.0).joined(at(2, 1.0)).joined(at(5, 3.0))
    assert joined.epochs == [2, 5]
    np.testing.assert_allclose(joined.ixm.sel(epoch=5), result.ixm.sel(epoch=0) + 3.0)
    assert joined.ixm.attrs == result.ixm.attrs


def test_truncated_file(result, tmp_path):
    path = result.save(tmp_path / "result.nc")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ResultFileError, match="truncated or no netCDF file"):
        infoflow.load(path)


def test_other_files(result, tmp_path):
    with pytest.raises(ResultFileError, match="There is no file"):
        infoflow.load(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("not a result")
    with pytest.raises(ResultFileError, match="no netCDF file"):
        infoflow.load(tmp_path / "text.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ResultFileError, match="no infoflow result"):
        infoflow.load(tmp_path / "other.nc")
    with pytest.raises(ValueError, match=r"epoch must be among the measured ones, \[0\], got 7"):
        result.to_dict(7)
    no_graph = result.dataset.copy()
    no_graph.to_netcdf(tmp_path / "no_graph.nc", engine="h5netcdf")
    with pytest.raises(ResultFileError, match="lacks the layer graph"):
        infoflow.load(tmp_path / "no_graph.nc")
    result.dataset.attrs["infoflow_schema"] = 99
    path = result.save(tmp_path / "future.nc")
    with pytest.raises(ResultFileError, match=r"has schema 99, this version .* reads schema 1"):
        infoflow.load(path)


def test_a_folder_that_cannot_be_written(result, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ResultFileError, match="Cannot write the result"):
        result.save(blocked / "result.nc")


def test_a_failed_save_leaves_the_old_file(result, tmp_path, monkeypatch):
    path = result.save(tmp_path / "result.nc")
    before = path.read_bytes()

    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fails)
    with pytest.raises(ResultFileError, match="No space left on device"):
        result.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["result.nc"]  # noqa: PTH208


@pytest.fixture(scope="module")
def stored():
    """A small result, as its file holds it."""
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    loader = [(x, (x[:, 0] > 0).long())]
    return infoflow.analyze(nn.Linear(3, 2), loader, noise=9.0, progress=False).stored()


@pytest.mark.parametrize("name", ["samples", "index", "iym_ceiling", "ixm_saturated", "ixm"])
def test_a_file_that_lacks_a_field_is_refused(name, stored, tmp_path):
    stored.drop_vars(name).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(ResultFileError, match=f"lacks {name}"):
        infoflow.load(tmp_path / "b.nc")


def test_what_speaks_against_a_number_is_kept_for_its_layer(tmp_path):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(20, 2), nn.Linear(2, 30)), torch.randn(90, 20)
    wide = nn.Sequential(nn.Linear(20, 40), nn.Linear(40, 2))
    loader = [(x, (x[:, 0] > 0).long())]
    with pytest.warns(HighDimensionWarning):
        result = infoflow.analyze(wide, loader, estimator="ksg", progress=False)
    high, low = result.dataset["doubt"].values[-1]
    assert "biased towards 0" in high
    assert low == ""
    assert f"0: {high}" in str(result)
    again = infoflow.load(result.save(tmp_path / "r.nc"))
    assert again.dataset["doubt"].values[-1].tolist() == [high, ""]
    assert str(again) == str(result)
    assert not infoflow.analyze(model, loader, progress=False).dataset["doubt"].values.any()


def test_numbers_from_random_draws_show_their_doubt():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    model = infoflow.NoisyNet(net, beta=0.5)
    loader = [(torch.randn(40, 2), torch.arange(40) % 2)]
    result = infoflow.analyze(model, loader, estimator="sample-propagation", progress=False)
    text = str(result)
    assert "bounds" in text
    assert "±" in text
    assert "95 %" not in text


def test_a_part_of_a_joined_result_is_a_dictionary_and_the_whole_asks_for_one():
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    nets = [torch.nn.Sequential(torch.nn.Linear(3, width)) for width in (2, 2)]
    single = [infoflow.analyze(net, [x], noise=0.1, progress=False) for net in nets]
    both = infoflow.concat(single, "seed", labels=[3, 4])
    for label, one in zip((3, 4), single, strict=True):
        assert both.sel(seed=label).to_dict() == one.to_dict()
        json.dumps(one.to_dict(), allow_nan=False)
    with pytest.raises(infoflow.ArgumentError, match=r"Take one with .sel\(seed=3\)"):
        both.to_dict()
