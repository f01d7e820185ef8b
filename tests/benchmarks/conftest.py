"""What a file of ``--benchmark-json`` says of the run beside its figures."""

from importlib.metadata import PackageNotFoundError, version

import pytest
import torch


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
