"""How many bits each layer of a multi-stream net keeps, and which streams it needs.

>>> import infoflow, torch
>>> from infoflow.testing import UNet, blob_images
>>> images, masks = blob_images(16, size=32, seed=0)
>>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=4)
>>> result = infoflow.analyze(
...     UNet(base_channels=4), loader, target=infoflow.KMeans(clusters=2), progress=False
... )
>>> result.dataset.sizes["layer"]
23
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoflow import plots, testing
    from infoflow.capture.noisy import NoisyNet
    from infoflow.capture.targets import ClassLabels, Coarsening, KMeans
    from infoflow.estimators import KDE, Binning, Relative, SamplePropagation, estimate
    from infoflow.flow import FlowResult, Tracker, analyze, load, paper_schedule, plan
    from infoflow.graph import LayerGraph, trace
    from infoflow.interface import (
        Estimate,
        Estimator,
        InfoflowError,
        InfoflowWarning,
        Layer,
        Merge,
        Skip,
        Target,
        Verification,
    )
    from infoflow.prune import PruningAdvice, suggest_pruning

__version__ = "0.1.0"

_HOMES: dict[str, str | None] = {
    **dict.fromkeys(("plots", "testing"), None),
    "NoisyNet": "capture.noisy",
    **dict.fromkeys(("ClassLabels", "Coarsening", "KMeans"), "capture.targets"),
    **dict.fromkeys(("KDE", "Binning", "Relative", "SamplePropagation"), "estimators"),
    "estimate": "estimators",
    **dict.fromkeys(("FlowResult", "Tracker", "analyze", "load", "paper_schedule", "plan"), "flow"),
    **dict.fromkeys(("LayerGraph", "trace"), "graph"),
    **dict.fromkeys(("Estimate", "Estimator", "InfoflowError", "InfoflowWarning"), "interface"),
    **dict.fromkeys(("Layer", "Merge", "Skip", "Target", "Verification"), "interface"),
    **dict.fromkeys(("PruningAdvice", "suggest_pruning"), "prune"),
}

__all__ = [
    "KDE",
    "Binning",
    "ClassLabels",
    "Coarsening",
    "Estimate",
    "Estimator",
    "FlowResult",
    "InfoflowError",
    "InfoflowWarning",
    "KMeans",
    "Layer",
    "LayerGraph",
    "Merge",
    "NoisyNet",
    "PruningAdvice",
    "Relative",
    "SamplePropagation",
    "Skip",
    "Target",
    "Tracker",
    "Verification",
    "analyze",
    "estimate",
    "load",
    "paper_schedule",
    "plan",
    "plots",
    "suggest_pruning",
    "testing",
    "trace",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import infoflow`` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'infoflow' has no attribute {name!r}")
    home = _HOMES[name]
    if home is None:
        return importlib.import_module(f"infoflow.{name}")
    return getattr(importlib.import_module(f"infoflow.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
