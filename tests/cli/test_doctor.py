"""``infoflow doctor``: what is seen, what is told, and the exit code."""

import json
from importlib.metadata import requires, version

import pytest
import torch

import infoflow
from infoflow.cli import doctor_looks
from infoflow.cli.doctor import Device, Library, Setup, libraries_of


@pytest.fixture
def setup_is(monkeypatch):
    """Make the command see another setup."""
    return lambda setup: monkeypatch.setattr(doctor_looks, "examine", lambda: setup)


def test_doctor_names_versions_devices_threads_and_settings(infoflow_command):
    code, out, err = infoflow_command("doctor")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    for heading in ("versions", "threads", "settings"):
        assert [heading] in rows
    assert ["library", "installed", "wanted"] in rows
    assert ["device", "memory"] in rows
    assert ["torch", version("torch"), ">=2.6"] in rows
    assert out.splitlines()[-1] == "No problems found."
    assert ["infoflow", infoflow.__version__] in rows
    assert ["torch", str(torch.get_num_threads())] in rows


def test_doctor_tells_no_folder_of_the_user(infoflow_command, monkeypatch, tmp_path):
    monkeypatch.setenv("INFOFLOW_DATA", str(tmp_path))
    assert str(tmp_path) not in infoflow_command("doctor")[1]


def test_doctor_in_json_has_all_required_libraries(infoflow_command):
    found = json.loads(infoflow_command("doctor", "--json")[1])
    names = {one["name"] for one in found["libraries"] if one["is_required"]}
    assert len(names) == sum("extra" not in one for one in requires("infoflow"))
    assert found["problems"] == []


def test_a_library_that_is_too_old_is_a_problem_and_exits_with_1(infoflow_command, setup_is):
    setup_is(Setup((Library("torch", "2.5.1", ">=2.6", True),), (), {}))
    code, out, _ = infoflow_command("doctor")
    assert code == 1
    assert out.splitlines()[-1] == (
        "Problem: torch 2.5.1 is installed, expected >=2.6: pip install 'torch>=2.6'"
    )
    assert "No problems" not in out


@pytest.mark.parametrize(
    ("installed", "is_required", "is_problem"),
    [
        ("2.6.0+cpu", True, False),
        ("2.10.0.dev20260101", True, False),
        ("2.10", True, False),
        ("2.5", False, True),
        (None, True, True),
        (None, False, False),
    ],
)
def test_versions_are_compared_as_versions(installed, is_required, is_problem):
    library = Library("torch", installed, ">=2.6", is_required)
    assert (library.problem is not None) == is_problem


def test_other_extras_and_other_systems_are_left_out():
    wanted = ["timm>=1; extra == 'zoo'", "ruff; extra == 'dev'", "h5py", "x; python_version < '3'"]
    found = libraries_of(wanted, lambda name: "1.0")
    assert [(one.name, one.is_required) for one in found] == [("h5py", True), ("timm", False)]


def test_a_device_on_which_nothing_runs_is_a_problem():
    device = Device("cuda:0", "old", 10**9, "no kernel image is available.")
    assert "a sum on cuda:0 failed: no kernel image" in Setup((), (device,), {}).problems[0]


def test_an_error_of_a_device_is_its_first_line():
    assert doctor_looks._error_on("cpu") is None
    assert "\n" not in doctor_looks._error_on("no such device")


def test_cores_are_those_of_the_quota(tmp_path):
    quota = tmp_path / "cpu.max"
    quota.write_text("100000 100000\n")
    assert doctor_looks.usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert doctor_looks.usable_cores(quota) == doctor_looks.usable_cores(tmp_path / "none")


def test_a_driver_without_a_gpu_in_torch_is_a_hint():
    (hint,) = doctor_looks.hints(4, 2, has_gpu=False, has_driver=True)
    assert "CUDA build" in hint
