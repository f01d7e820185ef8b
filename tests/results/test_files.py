"""Files of results: of any kind, whole or not at all."""

import os
import subprocess
import sys

import pytest
import xarray as xr

import infoflow
from infoflow.interface import ArgumentError, ResultFileError
from infoflow.results.writing import replace_file


class Zeros(infoflow.Result):
    dims = ("layer",)
    needs = ("zeros",)


def zeros(*shares, model="Net"):
    label = {"long_name": "share of zeros", "units": "1"}
    names = [f"layer {i}" for i in range(len(shares))]
    return Zeros(
        xr.Dataset({"zeros": ("layer", list(shares), label)}, {"layer": names}, {"model": model})
    )


def test_a_class_of_ones_own_is_read_by_its_kind(tmp_path):
    path = zeros(0.0, 0.5).save(tmp_path / "zeros.nc")
    again = infoflow.load(path)
    assert type(again) is Zeros
    assert again == zeros(0.0, 0.5)
    assert again != zeros(0.0, 0.25)
    assert again.dataset.attrs["infoflow_kind"] == "Zeros"
    with pytest.raises(ResultFileError, match="a result of kind 'Zeros', expected 'FlowResult'"):
        infoflow.load(path, infoflow.FlowResult)


def test_a_kind_that_nobody_knows(tmp_path):
    dataset = xr.Dataset(attrs={"infoflow_kind": "Stranger", "infoflow_schema": 1})
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(ResultFileError, match=r"kind 'Stranger', which no class .* Import"):
        infoflow.load(tmp_path / "a.nc")


@pytest.mark.parametrize("kind", ["load", "plots", "KDE"])
def test_a_kind_that_is_another_name_of_the_package(kind, tmp_path):
    dataset = xr.Dataset(attrs={"infoflow_kind": kind, "infoflow_schema": 1})
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(ResultFileError, match="which no class here reads"):
        infoflow.load(tmp_path / "a.nc")


def test_a_file_without_what_its_kind_needs(tmp_path):
    path = zeros(0.5).save(tmp_path / "a.nc")
    stored = xr.load_dataset(path, engine="h5netcdf").drop_vars("zeros")
    stored.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(ResultFileError, match="lacks zeros, which every Zeros has"):
        infoflow.load(tmp_path / "b.nc")


def test_a_kind_belongs_to_one_class():
    with pytest.raises(ArgumentError, match=r"is that of infoflow\.flow\.flow_result\.FlowResult"):

        class Mine(infoflow.Result):
            kind = infoflow.FlowResult.kind


def test_a_dataset_of_another_kind_is_refused():
    with pytest.raises(ArgumentError, match="got one of Zeros"):
        infoflow.ProbeResult(zeros(0.5).dataset)


def test_an_interrupted_save_leaves_the_old_file(tmp_path):
    path = zeros(0.5).save(tmp_path / "a.nc")
    before = path.read_bytes()

    def interrupted(part):
        part.write_bytes(b"half a file")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, interrupted)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.nc"]  # noqa: PTH208


WRITER = """
import sys
import xarray as xr
from infoflow.results import Result

class Numbers(Result):
    pass

for _ in range(30):
    Numbers(xr.Dataset({"number": ("i", [float(sys.argv[2])] * 5000)})).save(sys.argv[1])
"""


@pytest.mark.thorough
def test_two_processes_may_save_to_one_path(tmp_path):
    path = tmp_path / "a.nc"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, number]) for number in ("1", "2")]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(tuple(set(xr.load_dataset(path, engine="h5netcdf")["number"].values.tolist())))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {(1.0,), (2.0,)}  # whole files of one of them, never a mixture or a part
    assert os.listdir(tmp_path) == ["a.nc"]  # noqa: PTH208


def test_the_versions_that_measured_stay_with_a_result(tmp_path):
    result = infoflow.Result(xr.Dataset(attrs={"model": "Net"}))
    known = result.dataset.attrs["infoflow_versions"]
    assert known.startswith(f"infoflow {infoflow.__version__}, ")
    older = result.with_dataset(result.dataset.assign_attrs(infoflow_versions="infoflow 0.0.1"))
    assert older.dataset.attrs["infoflow_versions"] == "infoflow 0.0.1"
    unknown = result.dataset.drop_attrs().assign_attrs(infoflow_schema=1)
    assert "infoflow_versions" not in infoflow.Result(unknown).dataset.attrs
