"""What each skip adds about Y over training."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from reproduction.study import Study

COLOURS = ("#1b6ca8", "#2a9d4a", "#d95f02", "#b3202c")


def streams(study: Study, results: Path) -> Figure | None:
    """Draw what each skip adds about Y, at both noises, against the clock."""
    seed = study.main()
    if seed.flow is None:
        return None
    table = seed.flow.streams
    clock = np.array(seed.flow.epochs) * seed.rate
    noises = ("noise variance 1", "noise relative to each layer's scale")
    figure, panels = plt.subplots(1, 2, figsize=(13, 4.8), layout="constrained")
    for number, (ax, title) in enumerate(zip(panels, noises, strict=True)):
        for skip, colour in zip(seed.flow.graph.skips, COLOURS, strict=True):
            one = table.sel(stream=skip.name).isel(noise=number)
            ax.plot(clock, one["added"], "o-", color=colour, markersize=3, label=f"{skip}")
            ax.fill_between(
                clock, one["added_ci_low"], one["added_ci_high"], color=colour, alpha=0.08
            )
            ax.plot(clock, one["added_null_high"], ":", color=colour, linewidth=1)
        ax.set_title(title, fontsize=10)
        _scale(ax, clock)
    panels[0].set_ylabel("I(Y; all streams) − I(Y; all but the skip), bits")
    panels[0].plot([], [], ":", color="gray", label="shuffled classes, 95 %")
    panels[0].legend(fontsize=8)
    return figure


def _scale(ax: plt.Axes, clock: np.ndarray) -> None:
    """Show the start and every decade after it."""
    first = clock[1] if len(clock) > 1 else 1.0
    ax.set_xscale("symlog", linthresh=first)
    decades = [10.0**power for power in range(5) if first <= 10**power <= clock[-1]]
    ax.set_xticks([0.0, *decades], ["untrained", *(f"{decade:,.0f}" for decade in decades)])
    ax.minorticks_off()
    ax.set_xlim(-0.1 * first, clock[-1] * 1.1)
    ax.axhline(0, color="gray", linewidth=0.6)
    ax.set_xlabel("the paper's epochs by learning rate × steps")
