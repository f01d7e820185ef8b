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
    from infoflow.capture.probe_set import ProbeSet
    from infoflow.capture.reading_options import DistanceOptions
    from infoflow.capture.targets import ClassLabels, Coarsening, KMeans
    from infoflow.comparison import Comparison, compare
    from infoflow.estimators import (
        KDE,
        KSG,
        Binning,
        DistanceHistograms,
        EqualMassBinning,
        Relative,
        Renyi,
        SamplePropagation,
        UsableInformation,
        distance_histograms,
        estimate,
        ksg,
        unit_entropies,
        usable_information,
    )
    from infoflow.estimators.statistics import Codes, Distances, Draws, Values
    from infoflow.flow import (
        FlowResult,
        MeasurementPlan,
        Tracker,
        analyze,
        paper_schedule,
        plan,
    )
    from infoflow.flow.audit import Audit
    from infoflow.flow.layer_entropies import layer_unit_entropies
    from infoflow.flow.probe_result import ProbeResult
    from infoflow.flow.probing import probe
    from infoflow.flow.unit_entropies import UnitEntropies
    from infoflow.flow.usable_result import StreamBits, UsableStreams
    from infoflow.flow.usable_streams import usable_streams
    from infoflow.graph import LayerGraph, trace
    from infoflow.graph.operations.operation import OperationCall
    from infoflow.graph.operations.register import forget_operation, register_operation
    from infoflow.graph.tracing_options import TracingOptions
    from infoflow.integrations.log import log
    from infoflow.interface import (
        ActivationError,
        ArgumentError,
        ArgumentTypeError,
        Collector,
        Estimate,
        Estimator,
        HighDimensionWarning,
        InfoflowError,
        InfoflowWarning,
        Layer,
        LayerNotFoundError,
        LoaderError,
        MemoryBudgetError,
        Merge,
        PathWarning,
        PruningError,
        PruningWarning,
        ResultFileError,
        SaturationWarning,
        SingletonWarning,
        Skip,
        Statistic,
        Target,
        TargetError,
        UnmeasurableWarning,
        UntraceableModelError,
        Verification,
    )
    from infoflow.pruning import (
        Ablation,
        NetComparison,
        PrunedModel,
        PruningAdvice,
        PruningTrial,
        Race,
        Tolerance,
        ablate,
        compare_nets,
        prune,
        race,
        suggest_pruning,
        verify_pruning,
    )
    from infoflow.reports.report import report
    from infoflow.results import Fact, Result, Table, concat, load
    from infoflow.validation import Validation, validate

__version__ = "0.1.0"

_ERRORS = (
    "ActivationError",
    "ArgumentError",
    "ArgumentTypeError",
    "HighDimensionWarning",
    "InfoflowError",
    "InfoflowWarning",
    "LayerNotFoundError",
    "LoaderError",
    "MemoryBudgetError",
    "PathWarning",
    "PruningError",
    "PruningWarning",
    "ResultFileError",
    "SaturationWarning",
    "SingletonWarning",
    "TargetError",
    "UnmeasurableWarning",
    "UntraceableModelError",
)

_HOMES: dict[str, str | None] = {
    **dict.fromkeys(("plots", "testing"), None),
    "NoisyNet": "capture.noisy",
    **dict.fromkeys(("ClassLabels", "Coarsening", "KMeans"), "capture.targets"),
    **dict.fromkeys(("KDE", "Binning", "Relative", "SamplePropagation", "estimate"), "estimators"),
    **dict.fromkeys(("KSG", "ksg", "EqualMassBinning", "Renyi"), "estimators"),
    **dict.fromkeys(("UsableInformation", "usable_information"), "estimators"),
    **dict.fromkeys(("DistanceHistograms", "distance_histograms"), "estimators"),
    **dict.fromkeys(("unit_entropies",), "estimators"),
    **dict.fromkeys(("layer_unit_entropies",), "flow.layer_entropies"),
    "usable_streams": "flow.usable_streams",
    **dict.fromkeys(("StreamBits", "UsableStreams"), "flow.usable_result"),
    "ProbeResult": "flow.probe_result",
    "ProbeSet": "capture.probe_set",
    "probe": "flow.probing",
    "Audit": "flow.audit",
    "MeasurementPlan": "flow.cost_plan",
    "UnitEntropies": "flow.unit_entropies",
    **dict.fromkeys(("FlowResult", "Tracker", "analyze", "paper_schedule", "plan"), "flow"),
    **dict.fromkeys(("LayerGraph", "trace"), "graph"),
    **dict.fromkeys(("Collector", "Estimate", "Estimator", "Statistic"), "interface"),
    **dict.fromkeys(_ERRORS, "interface"),
    **dict.fromkeys(("Codes", "Distances", "Draws", "Values"), "estimators.statistics"),
    **dict.fromkeys(("DistanceOptions",), "capture.reading_options"),
    **dict.fromkeys(("TracingOptions",), "graph.tracing_options"),
    "OperationCall": "graph.operations.operation",
    **dict.fromkeys(("forget_operation", "register_operation"), "graph.operations.register"),
    **dict.fromkeys(("Layer", "Merge", "Skip", "Target", "Verification"), "interface"),
    **dict.fromkeys(("PrunedModel", "PruningAdvice", "PruningTrial"), "pruning"),
    **dict.fromkeys(("Ablation", "Race", "Tolerance", "ablate", "race"), "pruning"),
    **dict.fromkeys(("NetComparison", "compare_nets"), "pruning"),
    **dict.fromkeys(("prune", "suggest_pruning", "verify_pruning"), "pruning"),
    **dict.fromkeys(("Comparison", "compare"), "comparison"),
    "report": "reports",
    "log": "integrations.log",
    **dict.fromkeys(("Fact", "Result", "Table", "concat", "load"), "results"),
    **dict.fromkeys(("Validation", "validate"), "validation"),
}

__all__ = [
    "KDE",
    "KSG",
    "Ablation",
    "ActivationError",
    "ArgumentError",
    "ArgumentTypeError",
    "Audit",
    "Binning",
    "ClassLabels",
    "Coarsening",
    "Codes",
    "Collector",
    "Comparison",
    "DistanceHistograms",
    "DistanceOptions",
    "Distances",
    "Draws",
    "EqualMassBinning",
    "Estimate",
    "Estimator",
    "Fact",
    "FlowResult",
    "HighDimensionWarning",
    "InfoflowError",
    "InfoflowWarning",
    "KMeans",
    "Layer",
    "LayerGraph",
    "LayerNotFoundError",
    "LoaderError",
    "MeasurementPlan",
    "MemoryBudgetError",
    "Merge",
    "NetComparison",
    "NoisyNet",
    "OperationCall",
    "PathWarning",
    "ProbeResult",
    "ProbeSet",
    "PrunedModel",
    "PruningAdvice",
    "PruningError",
    "PruningTrial",
    "PruningWarning",
    "Race",
    "Relative",
    "Renyi",
    "Result",
    "ResultFileError",
    "SamplePropagation",
    "SaturationWarning",
    "SingletonWarning",
    "Skip",
    "Statistic",
    "StreamBits",
    "Table",
    "Target",
    "TargetError",
    "Tolerance",
    "TracingOptions",
    "Tracker",
    "UnitEntropies",
    "UnmeasurableWarning",
    "UntraceableModelError",
    "UsableInformation",
    "UsableStreams",
    "Validation",
    "Values",
    "Verification",
    "ablate",
    "analyze",
    "compare",
    "compare_nets",
    "concat",
    "distance_histograms",
    "estimate",
    "forget_operation",
    "ksg",
    "layer_unit_entropies",
    "load",
    "log",
    "paper_schedule",
    "plan",
    "plots",
    "probe",
    "prune",
    "race",
    "register_operation",
    "report",
    "suggest_pruning",
    "testing",
    "trace",
    "unit_entropies",
    "usable_information",
    "usable_streams",
    "validate",
    "verify_pruning",
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
