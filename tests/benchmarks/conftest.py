"""Where the benchmarks run, and what a file of ``--benchmark-json`` says beside its figures."""

from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

from tests.benchmarks.clock import Clock


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device of the benchmarks, such as cuda")


@pytest.fixture
def clock(request):
    """The clock of the chosen device."""
    return Clock(request.config.getoption("--device", "cpu"))


@pytest.hookimpl(optionalhook=True)  # without pytest-benchmark there is no such hook
def pytest_benchmark_update_machine_info(config, machine_info):
    versions = {}
    for name in ("torch", "torchlens", "infomeasure"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    machine_info["versions"] = versions
    machine_info["threads"] = torch.get_num_threads()
    machine_info["device"] = str(config.getoption("--device", "cpu"))
