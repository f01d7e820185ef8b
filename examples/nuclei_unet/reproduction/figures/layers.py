"""What the layers let a linear read-out find, and how far seeds agree on their bits."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import infoflow
from infoflow.flow.probe_result import ProbeResult
from reproduction.study import Seed, Study, on_paper_clock

_DICE = ("dice", "dice_sd", "dice_by_fold", "dice_chance")
_SEEDS = ("#d95f02", "#2a9d4a", "#9b3fb5", "#1b6ca8")
#: Seeds are compared at these of the paper's epochs.
_LOOKS = (1000, 10_000)


def probes(study: Study, results: Path) -> Figure | None:
    """Draw the Dice of each layer's read-out under the U-Plot of I(Y;M), on a common axis."""
    seed = study.main()
    if seed.flow is None or not seed.probes:
        return None
    epochs = sorted({epoch for epoch, _ in seed.probes})
    flow = on_paper_clock(seed)
    figure, (above, below) = plt.subplots(
        2, 1, sharex=True, figsize=(10, 8), layout="constrained", height_ratios=(3, 2.4)
    )
    shown = sorted({flow.epochs[0], flow.epochs[-1]})
    infoflow.plots.uplot(flow, above, quantity="iym", epochs=shown).set_xlabel("")
    figure.axes[-1].set_ylabel("the paper's epoch by lr × steps")
    trained = seed.probes[epochs[-1], "likely"].dataset
    kept = [str(name) for name in trained.data_vars if name not in _DICE]
    infoflow.plots.probes(ProbeResult(trained.drop_vars(kept)), below)
    others = [(epochs[-1], "balanced", "-"), *((epochs[0], d, ":") for d in ("likely", "balanced"))]
    below.lines[0].set_label("trained, most likely class")
    for epoch, decision, line in others if len(epochs) > 1 else others[:1]:
        dice = seed.probes[epoch, decision].dataset["dice"].values
        when = "trained" if epoch else "untrained"
        words = "most likely class" if decision == "likely" else "balanced"
        colour = below.lines[0].get_color() if decision == "likely" else "#0f766e"
        below.plot(dice, line, color=colour, marker="o", markersize=3, label=f"{when}, {words}")
    below.set_ylabel("Dice of a 1×1 read-out, validation images")
    below.legend(fontsize=8, ncols=2, loc="upper left", frameon=False)
    below.set_ylim(-0.03, 1.2)
    below.set_yticks(np.linspace(0, 1, 6))
    return figure


def seeds(study: Study, results: Path) -> Figure:
    """Draw I(Y;M) of every seed as a share of H(Y), untrained and at two of the paper's epochs."""
    figure, panels = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained", sharey=True)
    for ax, paper in zip(panels, (0, *_LOOKS), strict=True):
        for number, seed in enumerate(sorted(study.seeds, key=lambda s: s.variant != "whole")):
            _draw(ax, seed, paper, _SEEDS[number % len(_SEEDS)])
        if not ax.lines:
            ax.text(0.5, 0.5, "no run has a look here", transform=ax.transAxes, ha="center")
        ax.set_title("untrained" if paper == 0 else f"at about epoch {paper:,}", fontsize=10)
        ax.set_xlabel("layer index")
        ax.set_xticks(range(study.main().read().shape[1]))
        ax.tick_params(axis="x", labelsize=7)
    panels[0].set_ylabel("I(Y;M) / H(Y)")
    panels[0].set_ylim(-0.03, 1.05)
    known = {
        label: line
        for ax in panels
        for line, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    labels, handles = list(known), list(known.values())
    figure.legend(handles, labels, fontsize=9, loc="outside upper center", ncols=len(labels))
    return figure


def _draw(ax: Axes, seed: Seed, paper: int, colour: str) -> None:
    """Draw a seed at its look nearest to one of the paper's epochs, if it has one near."""
    row = int(np.abs(seed.clock - paper).argmin())
    if abs(seed.clock[row] - paper) > 0.2 * paper:
        return
    line = "-" if seed.variant == "whole" else "--"
    share = seed.read()[row] / seed.ceiling()
    label = seed.name
    ax.plot(share, line, color=colour, marker="o", markersize=3, linewidth=1.2, label=label)
