"""Looks at this machine for ``infoflow doctor``; nothing is changed, nothing leaves the machine."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import torch

import infoflow
from infoflow.cli.doctor import Device, Setup, installed_version, libraries_of

#: Variables that bound the threads of the libraries below torch.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def examine() -> Setup:
    """Look at this machine.

    Examples
    --------
    >>> setup = examine()
    >>> setup.devices[0].name, setup.about["versions"]["infoflow"] == infoflow.__version__
    ('cpu', True)
    """
    devices = (_look_at_cpu(), *_look_at_gpus())
    cores, threads = usable_cores(), torch.get_num_threads()
    has_driver = shutil.which("nvidia-smi") is not None
    return Setup(
        libraries_of(_requirements(), installed_version),
        devices,
        {"versions": _versions(), "threads": _threads(cores, threads), "settings": _settings()},
        hints(cores, threads, has_gpu=len(devices) > 1, has_driver=has_driver),
    )


def hints(cores: int, threads: int, *, has_gpu: bool, has_driver: bool) -> tuple[str, ...]:
    """Return what could be better, given what was seen.

    Parameters
    ----------
    cores, threads
        How many cores this process may use, and how many threads torch starts.
    has_gpu, has_driver
        Whether torch sees a GPU, and whether NVIDIA's driver is installed.

    Examples
    --------
    >>> hints(2, 8, has_gpu=False, has_driver=False)
    ('torch starts 8 threads on 2 cores, which slows it down: set OMP_NUM_THREADS=2.',)
    >>> hints(8, 8, has_gpu=True, has_driver=True)
    ()
    """
    found = []
    if threads > cores:
        found.append(
            f"torch starts {threads} threads on {cores} cores, which slows it down: "
            f"set OMP_NUM_THREADS={cores}."
        )
    if has_driver and not has_gpu:
        found.append(
            f"NVIDIA's driver is installed, but torch {torch.__version__} sees no GPU: install a "
            "CUDA build of torch, and look at CUDA_VISIBLE_DEVICES."
        )
    return tuple(found)


def usable_cores(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return how many cores this process may use, within the quota of a container.

    Examples
    --------
    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or "max": no quota
        return cores


def _requirements() -> list[str]:
    try:
        return requires("infoflow") or []
    except PackageNotFoundError:  # run from a checkout that was never installed
        return []


def _versions() -> dict[str, str | int | None]:
    return {
        "infoflow": infoflow.__version__,
        "Python": platform.python_version(),
        "system": platform.platform(),
        "CUDA of torch": torch.version.cuda or "none",
    }


def _threads(cores: int, threads: int) -> dict[str, str | int | None]:
    return {
        "cores": cores,
        "torch": threads,
        "torch, between operations": torch.get_num_interop_threads(),
        **{name: os.environ.get(name) for name in _THREAD_VARIABLES},
    }


def _default_device() -> str:
    try:
        return str(torch.get_default_device())
    except AttributeError:  # torch 2.6, once set_default_device(None) has been called
        return "cpu"


def _settings() -> dict[str, str | int | None]:
    """Return the settings that numbers or places of files depend on.

    The report goes into public issues, so that the user's folders are not named.
    """
    data = os.environ.get("INFOFLOW_DATA")
    is_folder = data is not None and Path(data).is_dir()
    return {
        "default dtype": str(torch.get_default_dtype()),
        "default device": _default_device(),
        "float32 products": torch.get_float32_matmul_precision(),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "INFOFLOW_DATA": None if data is None else "a folder" if is_folder else "no folder",
        "output encoding": getattr(sys.stdout, "encoding", None),
    }


def _look_at_cpu() -> Device:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # of Windows
        memory = None
    model = f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    return Device("cpu", model, memory, _error_on("cpu"))


def _look_at_gpus() -> list[Device]:
    found = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        model = f"{facts.name}, capability {facts.major}.{facts.minor}"
        name = f"cuda:{index}"
        found.append(Device(name, model, facts.total_memory, _error_on(name)))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", None, _error_on("mps")))
    return found


def _error_on(device: str) -> str | None:
    """Return the first line of what a small sum raises on a device, or None where it is right."""
    try:
        total = torch.ones(8, device=device, dtype=torch.float32).sum().item()
    except Exception as error:  # whatever a driver raises is what the user has to know
        return str(error).partition("\n")[0]
    return None if total == 8 else f"eight ones add up to {total}."
