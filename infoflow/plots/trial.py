"""What removing streams cost, and which reading foretold it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from infoflow.interface import ArgumentError
from infoflow.plots.style import MERGE_COLOUR, QUIET, SKIP_COLOUR, axes_or_new
from infoflow.pruning.trial.outcome import MEASURES, PruningTrial
from infoflow.pruning.trial.ranking import Ranking

_MARKS = {
    "cut": ("o", MERGE_COLOUR, "at once"),
    "tuned": ("s", SKIP_COLOUR, "after {tune} of fine-tuning"),
    "redesign": ("D", "#3f7d4e", "trained from scratch without it"),
}


def trial(outcome: PruningTrial, ax: Axes | None = None, *, metric: str = "metric") -> Axes:
    """Draw the metric after each removal, beside that of the whole net with the same training.

    Parameters
    ----------
    outcome
        What :func:`infoflow.verify_pruning` returned.
    ax
        Axes to draw on; a new figure where None.
    metric
        What the metric is called, for the axis.

    Returns
    -------
    Axes
        A row for each set of streams; dashed lines are the whole net.
    """
    rows = outcome.rows[1:]
    ax = axes_or_new(ax, 6.4, 1.2 + 0.3 * len(rows))
    for measure in MEASURES:
        mark, colour, words = _MARKS[measure]
        whole = outcome.whole.metric(measure)
        if math.isnan(whole):
            continue
        epochs = "1 epoch" if outcome.tune_epochs == 1 else f"{outcome.tune_epochs} epochs"
        label = words.format(tune=epochs)
        values = [row.metric(measure) for row in rows]
        ax.plot(values, range(len(rows)), mark, color=colour, label=label, alpha=0.9)
        ax.axvline(whole, color=colour, linestyle="--", linewidth=0.8)
    ax.set_yticks(range(len(rows)), [row.name for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", color=QUIET, alpha=0.25, linewidth=0.6)
    ax.set_xlabel(metric)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    return ax


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
    chosen = [r for r in found if r.measure == measure and not math.isnan(r.correlation)]
    if not chosen:
        raise ArgumentError(
            f"No reading has a rank correlation with the damage {measure!r}; expected one of "
            f"{', '.join(MEASURES)} that was measured on three or more streams."
        )
    ax = axes_or_new(ax, 6.4, 1.0 + 0.3 * len(chosen))
    for place, one in enumerate(chosen):
        if not math.isnan(one.ci_low):
            ax.plot([one.ci_low, one.ci_high], [place, place], color=QUIET, linewidth=2)
        ax.plot(one.correlation, place, "o", color=SKIP_COLOUR)
    ax.axvline(0.0, color=QUIET, linewidth=0.8)
    ax.set_xlim(-1.05, 1.05)
    ax.set_yticks(range(len(chosen)), [one.reading for one in chosen])
    ax.set_ylim(len(chosen) - 0.5, -0.5)
    ax.set_xlabel(f"rank correlation with the damage, {measure}")
    return ax
