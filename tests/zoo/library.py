"""All entries of the zoo, by library."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from tests.zoo.entry import Entry

LIBRARIES = {
    "torchvision": "of_torchvision",
    "timm": "of_timm",
    "segmentation-models-pytorch": "of_smp",
    "monai": "of_monai",
    "transformers": "of_transformers",
}


@cache
def entries_of(library: str) -> dict[str, Entry]:
    """Return the entries of one library by key."""
    module = import_module(f"tests.zoo.{LIBRARIES[library]}")
    return {entry.key: entry for entry in module.entries()}


def find(key: str) -> Entry:
    """Return an entry by its key, such as ``timm:resnet10t``."""
    return entries_of(key.partition(":")[0])[key]
