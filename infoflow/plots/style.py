"""What the figures share: axes, labels, and the colours of epochs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, SymLogNorm
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from infoflow.flow.flow_result import FlowResult
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import one_of, shown

Quantity = Literal["ixm", "iym"]

LABELS = {"ixm": "I(X;M)", "iym": "I(Y;M)"}
SKIP_COLOUR = "#3b6fb6"
MERGE_COLOUR = "#c2410c"
QUIET = "#8a8f98"


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Return ``ax``, or the axes of a new figure of this size in inches."""
    if ax is not None and not isinstance(ax, Axes):
        raise ArgumentTypeError(
            f"ax must be the Axes to draw on, got {shown(ax)}. plt.subplots() returns a figure and "
            "its axes."
        )
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def check_kind(value: object, kind: type, maker: str) -> None:
    """Raise an ArgumentTypeError where a plot is not given what it draws."""
    if not isinstance(value, kind):
        raise ArgumentTypeError(
            f"This plot draws a {kind.__name__}, which {maker} returns, got {shown(value)}. "
            "infoflow.load(path) reads one from a file."
        )


def check_quantity(result: FlowResult, quantity: str) -> None:
    """Raise an ArgumentError for an unknown quantity, and for one that was not measured."""
    check_kind(result, FlowResult, "infoflow.analyze or infoflow.Tracker")
    one_of("quantity", quantity, tuple(LABELS))
    if quantity == "iym" and not result.has_target:
        raise ArgumentError(
            "quantity='iym' needs a result with a target, got one without. Plot quantity='ixm', or "
            "measure with a target."
        )

    if quantity == "ixm" and not result.has_input_information:
        raise ArgumentError(
            "quantity='ixm' needs a result with I(X;M), which this estimator does not give. Plot "
            "quantity='iym', or measure with estimator='kde'."
        )


def epoch_colours(epochs: list[int]) -> ScalarMappable:
    """Return the colours of epochs: dark early, bright late, on a logarithmic scale."""
    norm = SymLogNorm(linthresh=1, vmin=min(epochs), vmax=max(max(epochs), min(epochs) + 1))
    # without the yellows, which are hard to see on white
    colours = plt.get_cmap("plasma")(np.linspace(0.0, 0.8, 256))
    return ScalarMappable(norm, ListedColormap(colours))


def add_epoch_bar(ax: Axes, colours: ScalarMappable, epochs: list[int], counts: str) -> None:
    """Draw the colours of epochs, or steps, beside ``ax``; nothing where there is one."""
    if len(epochs) < 2 or ax.figure is None:
        return
    bar = ax.figure.colorbar(colours, ax=ax, label=counts, pad=0.02)
    decades = [10**power for power in range(len(str(max(epochs))))]
    ticks = sorted({min(epochs), max(epochs), *(d for d in decades if d < max(epochs) / 1.5)})
    bar.ax.yaxis.set_major_locator(FixedLocator([t for t in ticks if t >= min(epochs)]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def draw_merges(ax: Axes, met: Collection[int]) -> None:
    """Mark the layers where streams have met by vertical lines."""
    for index in sorted(met):
        ax.axvline(index, color=MERGE_COLOUR, linewidth=0.8, linestyle=":", zorder=0)


def mark_separated(ax: Axes, points: xr.Dataset, across: Any, up: Any) -> None:
    """Give a white core to points at the ceiling of I(Y;M) that shuffled classes do not reach."""
    mask = points["iym_separated"].values.astype(bool)
    if mask.any():
        ax.scatter(np.asarray(across)[mask], np.asarray(up)[mask], 4, color="white", zorder=4)


def label_layers(ax: Axes, index: NDArray[np.integer[Any]], met: Collection[int]) -> None:
    """Write the layer indices below ``ax``, in bold where streams have met."""
    ax.set_xlabel("layer index")
    if len(index) <= 30:
        ax.set_xticks(index)
        ax.tick_params(axis="x", labelsize=8)
        # axes above others that share their axis show no labels
        for number, label in zip(index, ax.get_xticklabels(), strict=False):
            if number in met:
                label.set(color=MERGE_COLOUR, fontweight="bold")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(float(np.min(index)) - 0.7, float(np.max(index)) + 0.7)
    ax.spines[["top", "right"]].set_visible(False)
