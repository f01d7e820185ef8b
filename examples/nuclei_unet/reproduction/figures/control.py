"""The untrained control: how much of a U-Plot is there before any training."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.readings import PAPER
from reproduction.study import Seed, Study

_SETTINGS = (PAPER, "KDE 0.2, K-means", "binning 0.2, K-means", "KDE 1, coarsening")


def control(study: Study, results: Path) -> Figure:
    """Draw I(Y;M) untrained and trained, with null and ceiling, for four settings."""
    seed = study.main()
    settings = [setting for setting in _SETTINGS if setting in seed.settings]
    figure, panels = plt.subplots(2, 2, figsize=(12, 7.6), layout="constrained", sharex=True)
    for ax in panels.flat[len(settings) :]:
        ax.set_visible(False)
    for ax, setting in zip(panels.flat, settings, strict=False):
        _draw(ax, seed, setting)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=9, loc="outside upper center", ncols=len(labels))
    return figure


def _draw(ax: Axes, seed: Seed, setting: str) -> None:
    values, null = seed.read("iym", setting), seed.read("iym_null_high", setting)
    layers = np.arange(values.shape[1])
    end = f"at epoch {seed.clock[-1]:,.0f}"
    ax.fill_between(layers, 0, null[-1], color="0.85", label=f"shuffled classes, {end}")
    ax.plot(layers, null[0], ":", color="0.5", label="shuffled classes, untrained")
    ax.plot(layers, values[0], "o-", color="#7a1fa2", markersize=4, label="untrained")
    ax.plot(layers, values[-1], "o-", color="#e07b00", markersize=4, label=f"trained, {end}")
    ceiling = seed.ceiling(setting)
    ax.axhline(ceiling, color="black", linewidth=0.9, linestyle="--", label="ceiling H(Y)")
    ax.set_ylim(-0.03 * ceiling, 1.1 * ceiling)
    ax.set_title(setting, fontsize=10)
    ax.set_xticks(layers)
    ax.tick_params(axis="x", labelsize=7, labelbottom=True)
    ax.set_xlabel("layer index", fontsize=9)
    ax.set_ylabel("I(Y;M) (bits)", fontsize=9)
