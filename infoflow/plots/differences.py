"""What differs between two results, with intervals."""

from __future__ import annotations

from matplotlib.axes import Axes

from infoflow.comparison import Comparison
from infoflow.interface import ArgumentError
from infoflow.plots.style import MERGE_COLOUR, QUIET, SKIP_COLOUR, axes_or_new

_COLOURS = {"higher": SKIP_COLOUR, "lower": MERGE_COLOUR}


def differences(comparison: Comparison, ax: Axes | None = None, *, quantity: str = "") -> Axes:
    """Draw the differences of one quantity, second less first, with 95 % intervals.

    Parameters
    ----------
    comparison
        From :func:`infoflow.compare`.
    ax
        Axes to draw on; a new figure where None.
    quantity
        Such as ``"I(Y;M)"``; the first that has several rows where empty.

    Returns
    -------
    Axes
        A row for each layer or stream: blue where the second is higher, orange where it is lower,
        grey where that cannot be told.

    Raises
    ------
    ArgumentError
        If there is no such quantity.
    """
    known = list(dict.fromkeys(row.quantity for row in comparison.rows if row.name))
    wanted = quantity or (known[0] if known else "")
    rows = [row for row in comparison.rows if row.quantity == wanted and row.name]
    if not rows:
        raise ArgumentError(
            f"quantity must be one of {', '.join(known) or 'none at all'}, got {quantity!r}."
        )
    ax = axes_or_new(ax, 7.0, 1.2 + 0.2 * len(rows))
    ax.axvline(0.0, color=QUIET, linewidth=0.8)
    for place, row in enumerate(rows):
        colour = _COLOURS.get(row.finding, QUIET)
        if row.finding != "not known":
            ax.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        ax.plot(row.difference, place, "o", color=colour, markersize=4)
    ax.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(f"{wanted}: second less first ({comparison.unit})")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
