"""Which reading foretold what removing streams costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import one_of, shown
from infoflow.plots.style import QUIET, SKIP_COLOUR, axes_or_new
from infoflow.pruning.trial.outcome import MEASURES
from infoflow.pruning.trial.ranking import Ranking


def rankings(found: Sequence[Ranking], ax: Axes | None = None, *, measure: str = "cut") -> Axes:
    """Draw how each reading's order of streams agrees with the damage that was measured.

    Parameters
    ----------
    found
        ``PruningTrial.rankings``.
    ax
        Axes to draw on; a new figure where None.
    measure
        ``"cut"``, ``"tuned"`` or ``"redesign"``.

    Returns
    -------
    Axes
        A row for each reading: the rank correlation with its 95 % interval.
    """
    rankings_given = list(found) if isinstance(found, (list, tuple)) else []
    if not all(isinstance(one, Ranking) for one in rankings_given or [None]):
        raise ArgumentTypeError(
            f"This plot draws the .rankings of a PruningTrial, which infoflow.verify_pruning "
            f"returns, got {shown(found)}."
        )
    one_of("measure", measure, MEASURES)
    chosen = [r for r in found if r.measure == measure and not math.isnan(r.correlation)]
    if not chosen:
        raise ArgumentError(
            f"No reading has a rank correlation with the damage {measure!r}; expected one of "
            f"{', '.join(MEASURES)} that was measured on three or more streams."
        )
    ax = axes_or_new(ax, 8.0, 1.0 + 0.3 * len(chosen))
    for place, one in enumerate(chosen):
        if not math.isnan(one.ci_low):
            ax.plot([one.ci_low, one.ci_high], [place, place], color=QUIET, linewidth=2)
        ax.plot(one.correlation, place, "o", color=SKIP_COLOUR)
    ax.axvline(0.0, color=QUIET, linewidth=0.8)
    ax.set_xlim(-1.05, 1.05)
    ax.set_yticks(range(len(chosen)), [one.reading for one in chosen])
    ax.set_ylim(len(chosen) - 0.5, -0.5)
    ax.set_xlabel("rank correlation")
    ax.set_title(f"with the damage: {measure}", fontsize="medium")
    return ax
