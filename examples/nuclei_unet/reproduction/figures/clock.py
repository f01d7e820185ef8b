"""Model 1 at two learning rates, against learning rate × steps."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.clocks import common_looks
from reproduction.figures.flow import nearest
from reproduction.study import Seed, Study

_STYLES = (("-", "#d95f02"), ("--", "#1b6ca8"))
#: U-Plots are compared at these of the paper's epochs.
_LOOKS = (200, 1000, 5000, 10_000)


def clock(study: Study, results: Path) -> Figure | None:
    """Overlay loss, validation Dice and U-Plots of the two rates."""
    pair = study.two_rates()
    if pair is None:
        return None
    fast, slow = pair
    figure, panels = plt.subplots(2, 2, figsize=(13, 8), layout="constrained")
    for seed, (line, colour) in zip((fast, slow), _STYLES, strict=True):
        curve = seed.curves[1]
        label = f"learning rate {(seed.about or {}).get('learning_rate')}"
        panels[0, 0].plot(curve.loss_clock, curve.loss, line, color=colour, label=label)
        panels[0, 1].plot(curve.clock, curve.smooth(), line, color=colour, label=label)
    panels[0, 0].set_ylabel("training loss")
    panels[0, 1].set_ylabel("validation Dice (median of 5)")
    for ax in panels[0]:
        ax.set_xlabel("the paper's epochs by learning rate × steps")
        ax.legend(fontsize=9)
        ax.grid(alpha=0.3)
    for ax, quantity in zip(panels[1], ("ixm", "iym"), strict=True):
        _overlay(ax, fast, slow, quantity)
    return figure


def _overlay(ax: Axes, fast: Seed, slow: Seed, quantity: str) -> None:
    """Draw the U-Plots of both at clocks that both have; a colour is a clock."""
    rows = {float(fast.clock[a]): (a, b) for a, b in common_looks(fast, slow) if a}
    if rows:
        at = sorted({look for look in nearest(np.array(list(rows)), _LOOKS) if look} | {max(rows)})
    else:
        at = []
    colours = plt.get_cmap("plasma")(np.linspace(0.05, 0.85, len(at)))
    for look, colour in zip(at, colours, strict=True):
        for seed, row, (line, _) in zip((fast, slow), rows[look], _STYLES, strict=True):
            label = f"{seed.clock[row]:,.0f}, lr {(seed.about or {}).get('learning_rate')}"
            ax.plot(seed.read(quantity)[row], line, color=colour, label=label)
    ax.set_xlabel("layer index")
    ax.set_ylabel(f"I({'X' if quantity == 'ixm' else 'Y'};M) (bits)")
    ax.set_xticks(range(fast.read().shape[1]))
    ax.tick_params(axis="x", labelsize=7)
    ax.legend(fontsize=7, title="the paper's epoch", title_fontsize=7)
