"""Fig. 5: the Dice of the four models."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reproduction.scales import PAPER_EPOCHS
from reproduction.study import Seed, Study

COLOURS = {1: "#1f77b4", 2: "#d95f02", 3: "#2a9d4a", 4: "#9b3fb5"}


def dice(study: Study, results: Path) -> Figure:
    """Draw a panel for each variant: training solid, validation dashed, later seeds paler."""
    variants = sorted({seed.variant for seed in study.seeds}, key=lambda name: name != "whole")
    width = 7.2 * len(variants)
    figure, panels = plt.subplots(
        1, len(variants), figsize=(width, 4.8), layout="constrained", squeeze=False, sharey=True
    )
    for ax, variant in zip(panels[0], variants, strict=True):
        seeds = [seed for seed in study.seeds if seed.variant == variant]
        for number, seed in enumerate(seeds):
            _draw(ax, seed, 0.65**number)
        _label(ax, seeds)
    panels[0, 0].set_ylabel("Dice coefficient")
    return figure


def _draw(ax: Axes, seed: Seed, alpha: float) -> None:
    for model, curve in seed.curves.items():
        known, look = np.isfinite(curve.training), {"color": COLOURS[model], "alpha": alpha}
        ax.plot(curve.clock[known], curve.training[known], linewidth=1.3, **look)
        ax.plot(curve.clock, curve.smooth(), "--", linewidth=1.0, **look)


def _label(ax: Axes, seeds: list[Seed]) -> None:
    models = sorted({model for seed in seeds for model in seed.curves})
    lines = [Line2D([], [], color=COLOURS[model], label=f"Model {model}") for model in models]
    lines += [
        Line2D([], [], color="gray", label="training"),
        Line2D([], [], color="gray", linestyle="--", label="validation (median of 5 epochs)"),
    ]
    ax.legend(
        handles=lines, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(lines)
    )
    about = seeds[0].about or {}
    count = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    net = f"{about.get('size')}×{about.get('size')}, {about.get('base_channels')} base channels"
    ax.set_title(f"{net}, lr {about.get('learning_rate')}, {count}", fontsize=10)
    ax.set_xlabel("the paper's epochs by learning rate × steps")
    longest = max(float(curve.clock[-1]) for seed in seeds for curve in seed.curves.values())
    if longest > PAPER_EPOCHS * 1.01:
        ax.axvline(PAPER_EPOCHS, color="gray", linewidth=0.8, linestyle=":")
        ax.annotate("the paper's end", (PAPER_EPOCHS, 0.02), fontsize=8, rotation=90, ha="right")
    ax.set_ylim(-0.03, 1)
    ax.set_xlim(0)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.grid(alpha=0.3)
