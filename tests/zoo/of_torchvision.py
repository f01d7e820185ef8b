"""torchvision: the smallest builder of each family, and all but classification in full."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

from torch import nn
from torchvision import models

from tests.zoo.entry import Arguments, Entry, Make, draw, squares, uniform

#: Modules of torchvision.models whose builders are all taken.
_IN_FULL = {
    "segmentation": models.segmentation,
    "detection": models.detection,
    "video": models.video,
    "optical flow": models.optical_flow,
    "quantised": models.quantization,
}
#: Builders per family of classifiers.
_PER_FAMILY = 2


def entries() -> list[Entry]:
    special = {name: kind for kind, module in _IN_FULL.items() for name in _names(module)}
    others = [name for name in models.list_models() if name not in special]
    classifiers = _families([name for name in others if not name.startswith("quantized")])
    chosen = {**dict.fromkeys(classifiers, "classification"), **special}
    return [
        Entry(
            *("torchvision", name, kind),
            build=partial(_build, name, kind),
            inputs=_INPUTS[kind],
            usual=_USUAL.get(kind),
        )
        for name, kind in chosen.items()
    ]


def _names(module: Any) -> list[str]:
    names = models.list_models(module)
    return names[:1] if module is models.quantization else names


def _families(names: list[str]) -> list[str]:
    """Return the smallest builders of each family, by the parameters that their weights state."""
    families: dict[str, list[str]] = {}
    for name in names:
        family = re.match(r"[a-z]+(?:_v\d|_[xy](?=_))?", name)
        families.setdefault(family.group() if family else name, []).append(name)
    return [
        name for family in families.values() for name in sorted(family, key=_size)[:_PER_FAMILY]
    ]


def _size(name: str) -> int:
    return min(int(weights.meta["num_params"]) for weights in models.get_model_weights(name))


def _build(name: str, kind: str) -> nn.Module:
    options: dict[str, Any] = {"weights": None}
    if kind in ("segmentation", "detection"):
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    if kind == "quantised":
        options["quantize"] = True
    return models.get_model(name, **options)


def _images(model: nn.Module) -> Iterable[Make]:
    return squares(64, 96, 128, 224, 299, 518)


def _detector(model: nn.Module) -> Iterable[Make]:
    model.transform.min_size, model.transform.max_size = (96,), 128

    def make(samples: int, seed: int) -> Arguments:
        return ([draw(seed + i, 3, 96, 96) for i in range(samples)],), {}

    return [make]


def _video(model: nn.Module) -> Iterable[Make]:
    return [uniform(3, frames, size, size) for frames, size in ((8, 64), (16, 112), (16, 224))]


def _pairs(model: nn.Module) -> Iterable[Make]:
    def make(samples: int, seed: int) -> Arguments:
        first, second = draw(seed, 2, samples, 3, 128, 128)
        return (first, second, 3), {}

    return [make]


_INPUTS = {
    "classification": _images,
    "quantised": _images,
    "segmentation": _images,
    "detection": _detector,
    "video": _video,
    "optical flow": _pairs,
}
_USUAL = dict.fromkeys(("classification", "segmentation"), lambda model: uniform(3, 224, 224))
