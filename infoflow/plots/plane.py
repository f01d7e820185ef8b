"""Information planes: I(Y;M) against I(X;M)."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_hex
from matplotlib.figure import Figure, FigureBase

from infoflow.flow.flow_result import FlowResult
from infoflow.graph import LayerGraph
from infoflow.interface import ArgumentTypeError, LayerNotFoundError
from infoflow.interface.argument_checks import shown
from infoflow.plots.style import (
    LABELS,
    QUIET,
    add_epoch_bar,
    axes_or_new,
    check_quantity,
    epoch_colours,
    mark_separated,
)

_COLUMNS = 6


def information_plane(
    result: FlowResult, ax: Axes | None = None, *, layer: str | int | None = None
) -> Axes:
    """Draw the information plane, of one layer or of all in one.

    Every point is a layer at an epoch, coloured by the epoch. Of one layer, a thin line joins the
    epochs; of all layers at one epoch, it joins the layers in the order of computation. Points at
    a ceiling are hollow where that is arithmetic, and have a white core where I(Y;M) is there and
    shuffled classes are not.

    Parameters
    ----------
    result
        A result with a target.
    ax
        Axes to draw on; a new figure where None.
    layer
        Name or index of a layer; all where None.

    Returns
    -------
    Axes

    References
    ----------
    Lee and Bajić (2021), Fig. 3.
    """
    check_quantity(result, "ixm")
    check_quantity(result, "iym")
    ax = axes_or_new(ax, 6.0, 5.0)
    colours = epoch_colours(result.epochs)
    names = result.layers if layer is None else [result.graph[layer].name]
    if names[0] not in result.layers:
        raise LayerNotFoundError(
            f"Layer {names[0]} was not measured. Measured are {', '.join(result.layers[:5])}, …"
        )
    for name in names:
        _draw_layer(result, ax, name, colours, joined=layer is not None)
    if layer is None and len(result.epochs) == 1:
        _join_layers(result, ax)
    _limit(result, ax)
    ax.set_xlabel(f"{LABELS['ixm']} ({result.unit})")
    ax.set_ylabel(f"{LABELS['iym']} ({result.unit})")
    if layer is not None:
        ax.set_title(_title(result.graph, names[0]))
    add_epoch_bar(ax, colours, result.epochs, result.counts)
    return ax


def information_planes(result: FlowResult, figure: Figure | None = None) -> Figure:
    """Draw a panel with the information plane of each layer, all on the same axes.

    Parameters
    ----------
    result
        A result with a target.
    figure
        An empty figure to draw on; a new one where None.

    Returns
    -------
    Figure

    References
    ----------
    Lee and Bajić (2021), Fig. 3.
    """
    check_quantity(result, "ixm")
    check_quantity(result, "iym")
    rows = math.ceil(len(result.layers) / _COLUMNS)
    columns = min(_COLUMNS, len(result.layers))
    if figure is not None and not isinstance(figure, FigureBase):
        raise ArgumentTypeError(f"figure must be an empty matplotlib figure, got {shown(figure)}.")
    if figure is None:
        figure = plt.figure(figsize=(1.9 * columns + 1.2, 1.8 * rows + 0.7), layout="constrained")
    # not sharex=, sharey=: matplotlib's shared axes take a time quadratic in their number
    panels = figure.subplots(rows, columns, squeeze=False)
    colours = epoch_colours(result.epochs)
    for panel, name in zip(panels.flat, result.layers, strict=False):
        _draw_layer(result, panel, name, colours)
        _limit(result, panel)
        panel.set_title(_title(result.graph, name), fontsize=8)
        panel.tick_params(labelsize=7)
    for number, panel in enumerate(panels.flat):
        panel.set_visible(number < len(result.layers))
        panel.tick_params(
            labelbottom=number + columns >= len(result.layers), labelleft=number % columns == 0
        )
    figure.supxlabel(f"{LABELS['ixm']} ({result.unit})", fontsize=10)
    figure.supylabel(f"{LABELS['iym']} ({result.unit})", fontsize=10)
    if len(result.epochs) > 1:
        bar = figure.colorbar(colours, ax=panels, label=result.counts, pad=0.01, aspect=40)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return figure


def _draw_layer(
    result: FlowResult, ax: Axes, name: str, colours: ScalarMappable, *, joined: bool = True
) -> None:
    points = result.dataset.sel(layer=name)
    if joined:
        ax.plot(points["ixm"], points["iym"], color=QUIET, linewidth=0.5, zorder=1)
    edges = [to_hex(colour) for colour in colours.to_rgba(np.array(result.epochs))]
    saturated = (points["ixm_saturated"] + points["iym_saturated"]).values.astype(bool)
    faces = ["white" if is_full else edge for edge, is_full in zip(edges, saturated, strict=True)]
    ax.scatter(points["ixm"], points["iym"], 16, facecolors=faces, edgecolors=edges, zorder=2)
    mark_separated(ax, points, points["ixm"], points["iym"])


def _join_layers(result: FlowResult, ax: Axes) -> None:
    """Join the layers of a single epoch; write the index beside each that is not at the ceiling.

    Of those that are, how many there are.
    """
    last = result.dataset.isel(epoch=-1)
    count = int(last["ixm_saturated"].sum())
    if count:
        corner = (float(last["ixm_ceiling"]), float(last["iym_ceiling"]))
        words = f"{count} layer{'s' if count > 1 else ''} at log N"
        ax.annotate(
            words,
            corner,
            (-4, -10),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color=QUIET,
        )
    ax.plot(last["ixm"], last["iym"], color=QUIET, linewidth=0.5, zorder=1)
    columns = ("ixm", "iym", "index", "ixm_saturated")
    for x, y, index, saturated in zip(*(last[name].values for name in columns), strict=True):
        if not saturated and len(result.layers) <= 30:
            ax.annotate(str(index), (x, y), (3, 3), textcoords="offset points", fontsize=7)


def _limit(result: FlowResult, ax: Axes) -> None:
    """Show the whole plane up to both ceilings, and mark them."""
    across = float(result.dataset["ixm_ceiling"].max())
    up = float(result.dataset["iym_ceiling"].max())
    ax.set_xlim(-0.05 * across, 1.07 * across)
    ax.set_ylim(-0.05 * up, 1.07 * up)
    ax.axhline(up, color=QUIET, linestyle="--", linewidth=0.7, zorder=0)
    ax.axvline(across, color=QUIET, linestyle="--", linewidth=0.7, zorder=0)


def _title(graph: LayerGraph, name: str) -> str:
    short = name if len(name) <= 18 else f"…{name[-17:]}"
    return f"{graph[name].index}  {short}"
