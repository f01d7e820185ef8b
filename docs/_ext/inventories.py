"""Inventories for intersphinx, written from a list in the repository instead of the network."""

from __future__ import annotations

import tomllib
import zlib
from pathlib import Path


def write_inventory(path: Path, project: str, names: dict[str, str]) -> None:
    """Write the objects of a project as an ``objects.inv`` of version 2.

    Parameters
    ----------
    path
        The file.
    project
        Name of the project.
    names
        Role and address by name, as ``"class generated/torch.nn.Module.html#$"``.
    """
    header = (
        "# Sphinx inventory version 2\n"
        f"# Project: {project}\n"
        "# Version: \n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    lines = [
        f"{name} py:{role} 1 {address} -\n"
        for name, (role, address) in ((n, value.split()) for n, value in names.items())
    ]
    path.write_bytes(header.encode() + zlib.compress("".join(lines).encode()))


def write_inventories(listed: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """Write all inventories of a TOML file; return the setting of intersphinx."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, entry in tomllib.loads(listed.read_text(encoding="utf-8")).items():
        path = folder / f"{project}.inv"
        write_inventory(path, project, entry["names"])
        mapping[project] = (entry["url"], str(path))
    return mapping
