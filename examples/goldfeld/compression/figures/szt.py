"""Figures of the SZT nets: the paper's Figs. 1, 5 and 6."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.study import Study

#: Colours of the layers, and of the two classes.
LAYERS = [f"C{place}" for place in range(5)]
CLASSES = ("#3b6ea8", "#c8553d")
CEILING = math.log(4096)
_TITLES = {
    "tanh": "tanh, β = 0.005",
    "orthonormal": "tanh with orthonormal weights, β = 0.005",
    "linear": "linear, β = 0.01",
    "relu": "ReLU, β = 0.005",
}


def epoch_axis(axes: Axes, label: str, *, is_last: bool = True) -> None:
    """Make the axis of the epochs logarithmic, with room for epoch 0."""
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.set_ylabel(label)
    if is_last:
        axes.set_xlabel("epoch")


def draw_bins(study: Study) -> Figure | None:
    """Draw H(Bin(T)) of the net without noise, for several bin sizes (Fig. 1)."""
    rows = study.table("szt-deterministic.bins")
    if not len(rows):
        return None
    rows = rows[rows["seed"] == 0]
    sizes = sorted(rows["bin_size"].unique())
    figure, grid = plt.subplots(2, 3, figsize=(10, 5.4), sharex=True, sharey=True)
    for axes, size in zip(grid.flat, sizes, strict=True):
        for layer, mine in rows[rows["bin_size"] == size].groupby("layer"):
            axes.plot(mine["epoch"], mine["entropy"], LAYERS[layer - 1], label=f"T{layer}")
        axes.axhline(CEILING, color="grey", lw=0.8, ls=":")
        axes.set_title(f"bins of {size:g}", fontsize=10)
        epoch_axis(axes, "", is_last=False)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    for axes in grid[:, 0]:
        axes.set_ylabel("H(Bin(T)) in nats")
    grid[0, 0].legend(fontsize=8, ncols=2)
    figure.tight_layout()
    return figure


def draw_net(study: Study, variant: str) -> Figure | None:
    """Draw information, losses, bins and positions of one net (Fig. 5)."""
    if not len(study.curve(variant, 0, 5)):
        return None
    figure = plt.figure(figsize=(11, 8))
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    top, middle, bottom = left.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1.3))
    _information(study, variant, top)
    _losses(study, variant, middle)
    _entropies(study, variant, bottom)
    top.set_title(_TITLES[variant])
    left.subplots_adjust(left=0.11, right=0.98, top=0.95, bottom=0.07, hspace=0.08)
    _positions(study, variant, right)
    return figure


def _information(study: Study, variant: str, axes: Axes) -> None:
    for layer in range(1, 6):
        for seed in study.seeds(f"szt-{variant}.information"):
            curve = study.curve(variant, seed, layer)
            colour = LAYERS[layer - 1]
            if seed == 0:
                axes.fill_between(
                    curve.index, curve["ixm_lower"], curve["ixm"], color=colour, alpha=0.25, lw=0
                )
                axes.plot(curve.index, curve["ixm"], colour, label=f"T{layer}")
            else:
                axes.plot(curve.index, curve["ixm"], colour, marker="o", ls="", ms=4, mfc="none")
    axes.axhline(CEILING, color="grey", lw=0.8, ls=":")
    epoch_axis(axes, "I(X;T) in nats", is_last=False)
    axes.set_ylim(0, 9)
    axes.legend(fontsize=8, ncols=5, loc="lower left")


def _losses(study: Study, variant: str, axes: Axes) -> None:
    rows = study.table(f"szt-{variant}.metrics")
    for seed, mine in rows.groupby("seed"):
        for name, colour in (("train", "C7"), ("test", "C3")):
            label = f"{name} loss" if seed == 0 else None
            axes.plot(mine["epoch"], mine[f"{name}_loss"], colour, lw=1, label=label)
    epoch_axis(axes, "loss in nats", is_last=False)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def _entropies(study: Study, variant: str, axes: Axes) -> None:
    rows = study.table(f"szt-{variant}.bins")
    for layer, mine in rows[rows["seed"] == 0].groupby("layer"):
        axes.plot(mine["epoch"], mine["entropy"], LAYERS[layer - 1])
    axes.axhline(CEILING, color="grey", lw=0.8, ls=":")
    epoch_axis(axes, "H(Bin(T)) in nats")
    axes.set_ylim(0, 9)


def _positions(study: Study, variant: str, figure: Any) -> None:
    arrays = study.arrays(f"szt-{variant}.pictures")
    names = sorted(
        (name for name in arrays if name.startswith("positions-epoch")),
        key=lambda name: int(name.removeprefix("positions-epoch")),
    )[-4:]
    classes = arrays["positions-labels"]
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(2, 2, place, projection="3d")
        points = arrays[name].astype(float)
        for label, colour in enumerate(CLASSES):
            mine = points[classes == label]
            axes.scatter(*mine.T, s=3, color=colour, depthshade=False, linewidths=0)
        epoch = int(name.removeprefix("positions-epoch"))
        axes.set_title(f"T5 at epoch {epoch:,}", fontsize=9)
        axes.tick_params(labelsize=6, pad=-2)
    figure.subplots_adjust(left=0.0, right=0.93, top=0.95, bottom=0.04, wspace=0.1)


def draw_distances(study: Study) -> Figure | None:
    """Draw distances within and between classes, with and without orthonormal weights (Fig. 6)."""
    pictures = {name: study.arrays(f"szt-{name}.pictures") for name in ("tanh", "orthonormal")}
    if not all(pictures.values()):
        return None
    epochs = _picture_epochs(pictures["tanh"])
    figure, grid = plt.subplots(
        6, len(epochs), figsize=(2.2 * len(epochs), 9), sharey="row", squeeze=False
    )
    for block, (variant, arrays) in enumerate(pictures.items()):
        for row, layer in enumerate((1, 3, 5)):
            for column, epoch in enumerate(epochs):
                axes = grid[3 * block + row, column]
                step_histograms(axes, arrays, f"epoch{epoch}-layer{layer}")
                if not column:
                    axes.set_ylabel(f"{variant}\nT{layer}", fontsize=8)
                if not block and not row:
                    axes.set_title(f"epoch {epoch:,}", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("distance", fontsize=8)
    grid[0, 0].legend(fontsize=7)
    figure.tight_layout()
    return figure


def step_histograms(axes: Axes, arrays: dict[str, Any], key: str) -> None:
    """Draw the two histograms of a layer."""
    for name, colour in zip(("within", "between"), CLASSES, strict=True):
        shares, edges = arrays[f"{key}-{name}"], arrays[f"{key}-edges"]
        axes.stairs(np.nan_to_num(shares), edges, color=colour, fill=True, alpha=0.3)
        axes.stairs(np.nan_to_num(shares), edges, color=colour, label=f"{name} classes")
    axes.tick_params(labelsize=7)
    axes.set_yticks([])


def _picture_epochs(arrays: dict[str, Any]) -> list[int]:
    names = (name for name in arrays if name.endswith("-layer1-edges"))
    return sorted(int(name.split("-")[0].removeprefix("epoch")) for name in names)
