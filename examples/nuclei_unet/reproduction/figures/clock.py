"""Model 1 at several learning rates, against learning rate × steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.clocks import common_looks
from reproduction.figures.flow import nearest
from reproduction.study import Seed, Study

_STYLES = (("-", "#333333"), (":", "#d95f02"), ("--", "#1b6ca8"))
#: U-Plots are compared at these of the paper's epochs.
_LOOKS = (500, 2000, 10_000)


def clock(study: Study, results: Path) -> Figure | None:
    """Overlay loss, validation Dice and U-Plots of the rates."""
    rates = study.rates()[: len(_STYLES)]
    if not rates:
        return None
    figure, panels = plt.subplots(2, 2, figsize=(13, 8), layout="constrained")
    for seed, (line, colour) in zip(rates, _STYLES, strict=False):
        curve = seed.curves[1]
        panels[0, 0].plot(curve.loss_clock, curve.loss, line, color=colour, label=_label(seed))
        panels[0, 1].plot(curve.clock, curve.smooth(), line, color=colour, label=_label(seed))
    panels[0, 0].set_ylabel("training loss")
    panels[0, 1].set_ylabel("validation Dice (median of 5)")
    for ax in panels[0]:
        ax.set_xlabel("the paper's epochs by learning rate × steps")
        ax.legend(fontsize=9)
        ax.grid(alpha=0.3)
    for ax, quantity in zip(panels[1], ("ixm", "iym"), strict=True):
        _overlay(ax, rates, quantity)
    lines, labels = panels[1, 0].get_legend_handles_labels()
    if lines:
        where = {"loc": "outside lower center", "ncols": len(lines) // len(rates)}
        figure.legend(lines, labels, fontsize=9, title="the paper's epoch", **where)
    return figure


def _label(seed: Seed) -> str:
    return f"learning rate {(seed.about or {}).get('learning_rate')}"


def _overlay(ax: Axes, rates: Sequence[Seed], quantity: str) -> None:
    """Draw the U-Plots of all rates at looks that they have in common; a colour is a clock."""
    main = rates[0]
    rows = [dict(common_looks(main, other)) for other in rates]
    both = [row for row in rows[0] if row and all(row in other for other in rows)]
    clocks = {float(main.clock[row]): row for row in both}
    at = sorted({look for look in nearest(np.array(list(clocks)), _LOOKS) if look}) if both else []
    colours = plt.get_cmap("plasma")(np.linspace(0.05, 0.85, len(at)))
    for look, colour in zip(at, colours, strict=True):
        for seed, pairs, (line, _) in zip(rates, rows, _STYLES, strict=False):
            row = pairs[clocks[look]]
            label = f"{seed.clock[row]:,.0f}, {_label(seed)}"
            ax.plot(seed.read(quantity)[row], line, color=colour, label=label)
    ax.set_xlabel("layer index")
    ax.set_ylabel(f"I({'X' if quantity == 'ixm' else 'Y'};M) (bits)")
    ax.set_xticks(range(main.read().shape[1]))
    ax.tick_params(axis="x", labelsize=7)
