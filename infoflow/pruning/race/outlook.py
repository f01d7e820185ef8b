"""What can be seen of a net before it is trained: its shortest path, and how its outputs spread."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import torch
from torch import nn

from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.arguments import as_arguments
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.random_state import seeded
from infoflow.interface import InfoflowWarning
from infoflow.pruning.ablation.outputs import prediction_of
from infoflow.pruning.race.contestants import Workshop

#: Outputs that spread less than this share of the whole net's are a reason to expect a late start.
SMALL_SPREAD = 0.5


class RaceWarning(InfoflowWarning):
    """A variant of a race is likely to start learning late."""


@dataclass(frozen=True)
class Outlook:
    """What is known of an entrant before it is trained.

    Parameters
    ----------
    shortest_path
        Layers with weights on the shortest way from an input to the output.
    spread
        Standard deviation of the outputs over the samples of the example at initialisation, root
        mean square over outputs and seeds, in units of the output; NaN for a single sample.
    parameters
        Learned numbers.
    """

    shortest_path: int
    spread: float
    parameters: int


def look_ahead(workshop: Workshop, nets: Sequence[nn.Module]) -> Outlook:
    """Return what is known of an entrant before it is trained, from its net of every seed."""
    squares = [_output_variance(net, workshop) for net in nets]
    graph = trace(nets[0], workshop.example)
    parameters = sum(p.numel() for p in nets[0].parameters())
    return Outlook(shortest_path(graph), math.sqrt(sum(squares) / len(squares)), parameters)


def _output_variance(net: nn.Module, workshop: Workshop) -> float:
    call = as_arguments(net, workshop.example)
    with evaluation_mode(net), torch.no_grad(), seeded():
        values = prediction_of(call.of(net)).double()
    if len(values) < 2:
        return math.nan
    return float(values.var(dim=0).mean())


def shortest_path(graph: LayerGraph) -> int:
    """Return the number of layers with weights on the shortest way from an input to the output.

    Examples
    --------
    >>> from infoflow.testing import UNet
    >>> shortest_path(trace(UNet(base_channels=2), torch.zeros(1, 3, 32, 32)))
    5
    """
    ways = graph.to_networkx()
    weighs = {layer.name: float(layer.parameters > 0) for layer in graph.layers}
    lengths = nx.multi_source_dijkstra_path_length(
        ways, set(graph.inputs), weight=lambda source, target, _: weighs.get(target, 0.0)
    )
    return int(min(lengths[name] for name in graph.outputs if name in lengths))


def warn_of_late_starts(outlooks: dict[str, Outlook]) -> None:
    """Warn of each variant whose shortest path is longer, or whose outputs hardly spread."""
    whole, *_ = outlooks.values()
    for name, outlook in outlooks.items():
        reasons = []
        if outlook.shortest_path > whole.shortest_path:
            reasons.append(
                f"its shortest path from input to output has {outlook.shortest_path} layers with "
                f"weights instead of {whole.shortest_path}"
            )
        if outlook.spread < SMALL_SPREAD * whole.spread:
            reasons.append(
                f"its outputs spread {outlook.spread:.2g} at initialisation instead of "
                f"{whole.spread:.2g}"
            )
        if reasons:
            warnings.warn(
                f"The net {name} is likely to start learning late: {', and '.join(reasons)}. Give "
                "it enough epochs, or weights that keep the spread (He initialisation).",
                RaceWarning,
                stacklevel=3,
            )
