"""segmentation-models-pytorch: every architecture with every encoder of a small set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import segmentation_models_pytorch as smp
from torch import nn

from tests.zoo.entry import Entry, Make, squares, uniform

#: A residual net, a net with gates, and one of hierarchical attention.
_ENCODERS = ("resnet18", "timm-efficientnet-b0", "mit_b0")
#: DPT takes plain vision transformers.
_PLAIN = ("tu-vit_tiny_patch16_224", "tu-deit_tiny_patch16_224")


def entries() -> list[Entry]:
    architectures = sorted(kind.__name__ for kind in smp.MODEL_ARCHITECTURES_MAPPING.values())
    pairs = [
        (architecture, encoder)
        for architecture in architectures
        for encoder in (_PLAIN if architecture == "DPT" else _ENCODERS)
    ]
    return [
        Entry(
            "segmentation-models-pytorch",
            f"{architecture}-{encoder}",
            "segmentation",
            partial(_build, architecture, encoder),
            _images,
            usual=lambda model: uniform(3, 224, 224),
        )
        for architecture, encoder in pairs
    ]


def _build(architecture: str, encoder: str) -> nn.Module:
    return getattr(smp, architecture)(encoder, encoder_weights=None, classes=2)


def _images(model: nn.Module) -> Iterable[Make]:
    return squares(64, 96, 128, 224)
