"""The layer graph as a picture."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from infoflow.flow.result import FlowResult
from infoflow.graph import LayerGraph
from infoflow.interface import Layer
from infoflow.plots.style import MERGE_COLOUR, QUIET, SKIP_COLOUR, axes_or_new

_Place = tuple[float, float]


def layer_graph(graph: LayerGraph | FlowResult, ax: Axes | None = None) -> Axes:
    """Draw layers from left to right by index, and from top to bottom by resolution.

    So a U-Net looks like a U, and a chain of equal layers like a line. Merges are squares, skip
    connections coloured arcs.

    Parameters
    ----------
    graph
        A graph, or a result that holds one.
    ax
        Axes to draw on; a new figure where None.

    Returns
    -------
    Axes
    """
    graph = graph.graph if isinstance(graph, FlowResult) else graph
    ax = axes_or_new(ax, min(24.0, 2.0 + 0.42 * len(graph)), 4.6)
    places = _places(graph)
    _draw_streams(graph, ax, places)
    _draw_layers(graph, ax, places)
    ax.set_xlabel("layer index")
    ax.set_ylabel("positions per channel")
    ax.yaxis.set_major_formatter(lambda level, _: f"{2**level:,.0f}")
    ax.set_yticks(sorted({_level(layer) for layer in graph.layers}))
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.03, y=0.15)
    ax.set_title(f"{graph.model}: {len(graph)} layers, {len(graph.merges)} merges")
    return ax


def _level(layer: Layer) -> float:
    """Return log2 of the number of positions that a layer's value has per channel."""
    if len(layer.shape) >= 3:
        return math.log2(max(1, math.prod(layer.shape[1:])))
    return math.log2(max(1, layer.shape[0])) if len(layer.shape) == 2 else 0.0


def _places(graph: LayerGraph) -> dict[str, _Place]:
    places = {layer.name: (float(layer.index), _level(layer)) for layer in graph.layers}
    top = max((place[1] for place in places.values()), default=0.0)
    places.update({name: (-2.2 - i, top) for i, name in enumerate(graph.inputs)})
    return places


def _draw_streams(graph: LayerGraph, ax: Axes, places: dict[str, _Place]) -> None:
    for source, target, about in graph.to_networkx().edges(data=True):
        is_skip = about.get("skip", False)
        is_far = places[target][0] - places[source][0] > 1.5
        ax.add_patch(
            FancyArrowPatch(
                places[source],
                places[target],
                arrowstyle="-|>",
                mutation_scale=8,
                shrinkA=8,
                shrinkB=8,
                linewidth=1.2 if is_skip else 1.0,
                color=SKIP_COLOUR if is_skip else QUIET,
                connectionstyle="arc3,rad=-0.22" if is_far else "arc3",
                zorder=1,
            )
        )


def _draw_layers(graph: LayerGraph, ax: Axes, places: dict[str, _Place]) -> None:
    size = 190 if len(graph) <= 40 else 70
    for layer in graph.layers:
        x, y = places[layer.name]
        edge = MERGE_COLOUR if layer.is_merge else "black"
        ax.scatter(
            [x], [y], size, marker="s" if layer.is_merge else "o", facecolors="white",
            edgecolors=edge, linewidths=1.2, zorder=2,
        )  # fmt: skip
        ax.text(x, y, str(layer.index), ha="center", va="center", fontsize=7 if size > 100 else 4)
    for name in graph.inputs:
        ax.text(*places[name], name, ha="center", va="center", fontsize=8, style="italic")
