"""The frontier of an ablation: what sets of streams cost, against what they save."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import shown
from infoflow.plots.style import MERGE_COLOUR, QUIET, SKIP_COLOUR, axes_or_new, check_kind
from infoflow.pruning import Ablation, FrontierPoint

Saving = Literal["streams", "parameters", "multiply_adds", "activation_bytes"]

_LABELS = {
    "streams": "streams that go",
    "parameters": "parameters saved",
    "multiply_adds": "multiply-adds of a sample saved",
    "activation_bytes": "peak memory of a sample saved (bytes)",
}


def frontier(ablation: Ablation, *, saving: Saving = "streams", ax: Axes | None = None) -> Axes:
    """Draw the bits that each set of the frontier loses, with 95 % intervals, and the tolerance.

    Parameters
    ----------
    ablation
        From :func:`infoflow.ablate`.
    saving
        What is saved, along the axis: the number of ``"streams"``, ``"parameters"``,
        ``"multiply_adds"`` or ``"activation_bytes"``.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        Points whose verdict is to prune are filled, others open.

    Raises
    ------
    ArgumentError
        If ``saving`` is none of these, or the ablation has no frontier.
    """
    check_kind(ablation, Ablation, "infoflow.ablate")
    if not isinstance(saving, str) or saving not in _LABELS:
        raise ArgumentError(f"saving must be one of {', '.join(_LABELS)}, got {shown(saving)}.")
    points = ablation.frontier()
    if not points:
        raise ArgumentError(
            "The ablation has no frontier: no stream can go within the tolerance, or it was "
            "measured with sets=None. Measure with a larger tolerance=, or sets='frontier'."
        )
    ax = axes_or_new(ax, 6.0, 4.0)
    across = [
        float(len(point.streams) if saving == "streams" else getattr(point, saving))
        for point in points
    ]
    bits = np.array([point.bits for point in points])
    low = np.array([min(point.low, point.bits) for point in points])
    high = np.array([max(point.high, point.bits) for point in points])
    ax.plot(across, bits, color=QUIET, linewidth=1, zorder=1)
    before: tuple[str, ...] = ()
    for x, point, below, above in zip(across, points, bits - low, high - bits, strict=True):
        colour = SKIP_COLOUR if point.verdict == "prune" else MERGE_COLOUR
        filled = colour if point.verdict == "prune" else "none"
        ax.errorbar(
            *([x], [point.bits], [[below], [above]]),
            fmt="o",
            color=colour,
            markerfacecolor=filled,
            capsize=3,
        )
        ax.annotate(
            _added(point, before),
            (x, point.high),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize="small",
            color=colour,
        )
        before = point.labels
    if saving == "streams":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.12, y=0.12)
    ax.axhline(ablation.tolerance, color=QUIET, linestyle="--", linewidth=1, label="tolerance")
    ax.set(xlabel=_LABELS[saving], ylabel=f"{ablation.unit} lost")
    ax.legend(frameon=False)
    return ax


def _added(point: FrontierPoint, before: tuple[str, ...]) -> str:
    """Return what a point adds to the one before, as a label: one name, or how many."""
    added = [name for name in point.labels if name not in before]
    text = added[0] if len(added) == 1 else f"{len(added)} more"
    return text if not before else f"+ {text}"
