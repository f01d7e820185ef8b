"""The U-Plot: information against depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from infoflow.flow.flow_result import FlowResult
from infoflow.flow.schedule import epoch_number
from infoflow.interface import ArgumentError, Skip
from infoflow.interface.argument_checks import shown
from infoflow.plots.style import (
    LABELS,
    QUIET,
    SKIP_COLOUR,
    Quantity,
    add_epoch_bar,
    axes_or_new,
    check_quantity,
    draw_merges,
    epoch_colours,
    label_layers,
    mark_separated,
)

#: With more skip connections than this, arcs are drawn thin and without labels.
_MOST_LABELS = 12
_ARC_HEIGHT = 0.3
#: With more epochs than this, confidence bands would cover each other.
_MOST_BANDS = 3


def uplot(
    result: FlowResult,
    ax: Axes | None = None,
    *,
    quantity: Quantity = "iym",
    epochs: Sequence[int] | None = None,
) -> Axes:
    """Draw I(Y;M) or I(X;M) against the layer index, one line per epoch.

    Layers where streams have met are marked by vertical lines and bold numbers, skip connections
    by arcs above the plot, the ceiling by a dashed line; saturated points are hollow, and those
    whose classes are separated have a white core. Bands are 95 % confidence intervals (up to three
    epochs); the grey area is the null of the last epoch: up to where I(Y;M) comes for shuffled
    classes in 95 % of cases.

    Parameters
    ----------
    result
        From :func:`infoflow.analyze` or :class:`infoflow.Tracker`.
    ax
        Axes to draw on; a new figure where None. :func:`infoflow.plots.probes` has the same
        horizontal axis, and shows how to put one above the other.
    quantity
        ``"iym"`` or ``"ixm"``.
    epochs
        Which measured epochs to draw; all where None.

    Returns
    -------
    Axes

    References
    ----------
    Lee and Bajić (2021), Fig. 4.
    """
    check_quantity(result, quantity)
    chosen = _chosen_epochs(result, epochs)
    ax = axes_or_new(ax, 8.0, 4.8)
    colours = epoch_colours(chosen)
    index = result.dataset["index"].values
    met = {layer.index for layer in result.graph.layers if layer.is_merge}
    for epoch in chosen:
        moment = result.dataset.sel(epoch=epoch)
        values = moment[quantity].values
        saturated = moment[f"{quantity}_saturated"].values.astype(bool)
        colour = to_hex(colours.to_rgba(np.array([epoch]))[0])
        ax.plot(index, values, color=colour, linewidth=1.2, label=f"{result.counts} {epoch}")
        for hollow, mask in ((False, ~saturated), (True, saturated)):
            face = "white" if hollow else colour
            ax.scatter(
                index[mask], values[mask], 22, facecolors=[face], edgecolors=[colour], zorder=3
            )
        if quantity == "iym":
            mark_separated(ax, moment, index, values)
        if len(chosen) <= _MOST_BANDS:
            low, high = _doubt(moment, quantity)
            ax.fill_between(index, low, high, color=colour, alpha=0.2, linewidth=0)
            alone = _alone(values)
            ax.vlines(index[alone], low[alone], high[alone], color=colour, alpha=0.6)
    if quantity == "iym":
        _draw_null(result, ax, chosen[-1])
    _draw_ceiling(result, ax, quantity)
    draw_merges(ax, met)
    _draw_skips(result.graph.skips, set(index.tolist()), ax)
    ax.set_ylabel(f"{LABELS[quantity]} ({result.unit})")
    label_layers(ax, index, met)
    add_epoch_bar(ax, colours, chosen, result.counts)
    return ax


def _doubt(
    moment: xr.Dataset, quantity: Quantity
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return the ends of the intervals; of estimates that rest on random draws, their bounds."""
    ends = [moment[f"{quantity}_ci_{end}"].values for end in ("low", "high")]
    if f"{quantity}_standard_error" in moment and np.isnan(ends[0]).all():
        ends = [moment[f"{quantity}_{end}"].values for end in ("lower", "upper")]
    return ends[0], ends[1]


def _alone(values: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Tell which values have no neighbour, so that no band can be drawn around them."""
    known = np.pad(np.isfinite(values), 1)
    alone: NDArray[np.bool_] = known[1:-1] & ~known[:-2] & ~known[2:]
    return alone


def _chosen_epochs(result: FlowResult, epochs: Sequence[int] | None) -> list[int]:
    if epochs is None:
        return result.epochs
    try:
        several = np.atleast_1d(np.asarray(epochs)).tolist()
        epochs = [epoch_number(epoch) for epoch in several]
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"epochs must be among the measured ones, {result.epochs}, got {shown(epochs)}."
        ) from error
    missing = sorted(set(epochs) - set(result.epochs))
    if missing or not epochs:
        raise ArgumentError(
            f"epochs must be among the measured ones, {result.epochs}, got {list(epochs)}."
        )
    return sorted(epochs)


def _draw_null(result: FlowResult, ax: Axes, epoch: int) -> None:
    """Shade what shuffled classes reach in 95 % of cases, at one epoch."""
    high = result.dataset["iym_null_high"].sel(epoch=epoch).values
    if np.isnan(high).all():
        return
    when = f" at {result.counts} {epoch:,}" if len(result.epochs) > 1 else ""
    words = f"null{when}: classes shuffled"
    index = result.dataset["index"].values
    if len(index) == 1:  # an area needs a width
        index, high = np.array([index[0] - 0.4, index[0] + 0.4]), np.repeat(high, 2)
    ax.fill_between(
        index,
        0.0,
        high,
        color=QUIET,
        alpha=0.15,
        linewidth=0,
        zorder=0,
        label=words,
    )
    ax.plot(index, high, color=QUIET, linewidth=0.6, alpha=0.8, zorder=0)
    ax.text(
        0.01,
        0.99,
        words,
        transform=ax.transAxes,
        fontsize=8,
        color=QUIET,
        ha="left",
        va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
        zorder=4,
    )


def _draw_ceiling(result: FlowResult, ax: Axes, quantity: Quantity) -> None:
    ceiling = float(result.dataset[f"{quantity}_ceiling"].max())
    words = "log N" if quantity == "ixm" else "min(log N, H(Y))"
    ax.axhline(ceiling, color=QUIET, linestyle="--", linewidth=1)
    ax.annotate(
        f"ceiling {words} = {ceiling:.2f} {result.unit}",
        (1.0, ceiling),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=QUIET,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        zorder=1,
    )
    ax.set_ylim(-0.03 * ceiling, 1.1 * ceiling)


def _draw_skips(skips: Sequence[Skip], shown: set[int], ax: Axes) -> None:
    """Draw skip connections as arcs above the axes, higher where they are longer.

    Those from the input begin before the first layer; what begins or ends at a layer that is not
    shown is left out.
    """
    first = min(shown)
    ends = [
        (str(skip), first - 1 if skip.source_index is None else skip.source_index, skip.merge_index)
        for skip in skips
        if skip.source_index in shown or (skip.source_index is None and first == 0)
    ]
    arcs = [(label, start, end) for label, start, end in ends if end is not None and end in shown]
    longest = max((end - start for _, start, end in arcs), default=1)
    labelled = len(arcs) <= _MOST_LABELS
    for label, start, end in arcs:
        height = 1 + _ARC_HEIGHT * (end - start) / longest
        corners = [(start, 1.0), (start, height), (end, height), (end, 1.0)]
        path = Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        arc = PathPatch(
            path,
            facecolor="none",
            edgecolor=SKIP_COLOUR,
            linewidth=1.3 if labelled else 0.4,
            alpha=0.9 if labelled else 0.4,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
        )
        ax.add_patch(arc)
        if labelled:
            # a cubic arc passes three quarters of the way up to its control points
            top = 1 + 0.75 * (height - 1)
            ax.text(
                (start + end) / 2,
                top,
                label,
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="center",
                fontsize=8,
                color=SKIP_COLOUR,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
