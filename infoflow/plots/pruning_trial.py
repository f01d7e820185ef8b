"""What removing streams cost."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from infoflow.interface import ArgumentError
from infoflow.plots.style import MERGE_COLOUR, QUIET, SKIP_COLOUR, axes_or_new, check_kind
from infoflow.pruning.trial.outcome import MEASURES, PruningTrial

_MARKS = {
    "cut": ("o", MERGE_COLOUR, "at once"),
    "tuned": ("s", SKIP_COLOUR, "after {tune} of fine-tuning"),
    "redesign": ("D", "#3f7d4e", "trained from scratch without it"),
}

#: Lines of the whole net.
_LINES = {"cut": ":", "tuned": "-.", "redesign": "--"}


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
        A row for each set of streams; lines are the whole net: dotted as it is, dash-dotted after
        fine-tuning, dashed trained from scratch.

    Raises
    ------
    ArgumentError
        If the trial removed nothing.
    """
    check_kind(outcome, PruningTrial, "infoflow.verify_pruning")
    rows = outcome.rows[1:]
    if not rows:
        raise ArgumentError(
            "There is nothing to draw: expected a trial that removed streams, got none. Pass "
            "streams= or advice to infoflow.verify_pruning."
        )
    longest = max(len(row.name) for row in rows)
    ax = axes_or_new(ax, 5.2 + 0.075 * longest, 1.2 + 0.3 * len(rows))
    for measure in MEASURES:
        mark, colour, words = _MARKS[measure]
        whole = outcome.whole.metric(measure)
        if math.isnan(whole):
            continue
        epochs = "1 epoch" if outcome.tune_epochs == 1 else f"{outcome.tune_epochs} epochs"
        label = words.format(tune=epochs)
        values = [row.metric(measure) for row in rows]
        ax.plot(values, range(len(rows)), mark, color=colour, label=label, alpha=0.9)
        ax.axvline(whole, color=colour, linestyle=_LINES[measure], linewidth=0.9)
    ax.set_yticks(range(len(rows)), [row.name for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", color=QUIET, alpha=0.25, linewidth=0.6)
    ax.set_xlabel(metric)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    return ax
