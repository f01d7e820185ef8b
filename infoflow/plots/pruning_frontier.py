"""The frontier of an ablation: what sets of streams cost, against what they save."""

from __future__ import annotations

from typing import Literal

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
    bits = [point.bits for point in points]
    ax.plot(across, bits, color=QUIET, linewidth=1, zorder=1)
    before: tuple[str, ...] = ()
    for x, point in zip(across, points, strict=True):
        _draw_point(ax, x, point, _added(point, before))
        before = point.labels
    if saving == "streams":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.12, y=0.12)
    ax.axhline(ablation.tolerance, color=QUIET, linestyle="--", linewidth=1, label="tolerance")
    ax.set(xlabel=_LABELS[saving], ylabel=f"{ablation.unit} lost")
    ax.legend(frameon=False)
    return ax


def _draw_point(ax: Axes, x: float, point: FrontierPoint, label: str) -> None:
    """Draw a point with its interval, filled where its verdict is to prune."""
    is_prune = point.verdict == "prune"
    colour = SKIP_COLOUR if is_prune else MERGE_COLOUR
    below, above = max(point.bits - point.low, 0.0), max(point.high - point.bits, 0.0)
    ax.errorbar(
        *([x], [point.bits], [[below], [above]]),
        fmt="o",
        color=colour,
        markerfacecolor=colour if is_prune else "none",
        capsize=3,
    )
    ax.annotate(
        label,
        (x, point.high),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize="small",
        color=colour,
    )


def _added(point: FrontierPoint, before: tuple[str, ...]) -> str:
    """Return what a point adds to the one before, as a label: one name, or how many."""
    added = [name for name in point.labels if name not in before]
    text = added[0] if len(added) == 1 else f"{len(added)} more"
    return text if not before else f"+ {text}"
