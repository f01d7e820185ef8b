"""timm: the smallest model of every module that the library lists."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

import timm
import torch
from torch import nn

from tests.zoo.entry import Entry, Make, squares, uniform

_SMALLEST = Path(__file__).with_name("timm_smallest.txt")


def entries() -> list[Entry]:
    return [
        Entry(
            *("timm", name, module),
            build=partial(timm.create_model, name, pretrained=False),
            inputs=_images,
            usual=lambda model: uniform(*_usual(model)),
        )
        for module, name in smallest()
    ]


def _images(model: nn.Module) -> Iterable[Make]:
    channels, usual, _ = _usual(model)
    return squares(64, 96, 128, 192, 224, usual, channels=channels)


def _usual(model: nn.Module) -> tuple[int, int, int]:
    shape: tuple[int, int, int] = model.default_cfg.get("input_size", (3, 224, 224))
    return shape


@cache
def smallest() -> list[tuple[str, str]]:
    """Return for each module its smallest model, as the kept file says."""
    lines = _SMALLEST.read_text().splitlines()
    pairs = [line.split()[:2] for line in lines if not line.startswith("#")]
    return [(module, name) for module, name in pairs]


def find_smallest() -> None:
    """Build every model of timm without memory, and keep the smallest one of each module."""
    lines = [f"# module, model, parameters; timm {timm.__version__}; written by zoo families"]
    for module in timm.list_modules():
        sizes = {
            name: size
            for name in timm.list_models(module=module)
            if not name.startswith("test_") and (size := _size(name)) is not None
        }
        if sizes:
            name = min(sizes, key=sizes.__getitem__)
            lines.append(f"{module} {name} {sizes[name]}")
    _SMALLEST.write_text("\n".join(lines) + "\n")


def _size(name: str) -> int | None:
    try:
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False)
    except Exception:  # some fill tables while they are built, which takes memory
        return None
    return sum(parameter.numel() for parameter in model.parameters())
