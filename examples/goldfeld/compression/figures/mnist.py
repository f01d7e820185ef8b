"""Figures of the MNIST CNNs: the paper's Figs. 3, 7 and 8, and the units of layer 3."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from compression.claims_mnist import NOISY, unit_slopes
from compression.figures.szt import step_histograms
from compression.mnist_measure import UNIT_BINS
from compression.mnist_stage import SHOWN
from compression.study import Study


def draw_similarity(study: Study) -> Figure | None:
    """Draw the cosine similarity of each net's layers to the net's without noise (Fig. 3)."""
    arrays = study.arrays("mnist.arrays")
    nets = [name for name in (*NOISY, SHOWN) if f"mnist-{name}-seed0-similarity-layer1" in arrays]
    if not nets:
        return None
    edges = np.linspace(-1.0, 1.0, 81)
    figure, grid = plt.subplots(1, 4, figsize=(11, 3), sharey=True, layout="constrained")
    for layer, axes in enumerate(grid, start=1):
        for name in nets:
            shares = arrays[f"mnist-{name}-seed0-similarity-layer{layer}"]
            axes.stairs(shares, edges, label=name.replace("noise", "β = "))
        axes.set_title(f"layer {layer}", fontsize=10)
        axes.set_xlabel("cosine similarity")
    grid[0].set_ylabel("share of test images")
    grid[0].legend(fontsize=8)
    return figure


def draw_two_bins(study: Study) -> Figure | None:
    """Draw H(Bin) of all layers with two bins over the epochs (Fig. 7)."""
    rows = study.table("mnist.bins")
    if not len(rows):
        return None
    rows = rows[(rows["variant"] == SHOWN) & (rows["seed"] == 0)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for layer, mine in rows.groupby("layer"):
        axes = left if layer < 4 else right
        axes.plot(mine["epoch"], mine["entropy"], f"C{layer - 1}o-", ms=4, label=f"layer {layer}")
    left.axhline(float(rows["ceiling"].max()), color="grey", lw=0.8, ls=":")
    right.axhline(10 * math.log(2), color="grey", lw=0.8, ls=":")
    for axes in (left, right):
        axes.set(xlabel="epoch", ylabel="H(Bin(T)) in nats")
        axes.legend(fontsize=8)
    right.set_title("ten outputs: at most 1024 codes", fontsize=10)
    return figure


def draw_mnist_distances(study: Study) -> Figure | None:
    """Draw distances within and between classes, input and layers, over the epochs (Fig. 8)."""
    arrays = study.arrays("mnist.arrays")
    prefix = f"mnist-{SHOWN}-seed0-arrays-epoch"
    epochs = sorted(
        {int(name.removeprefix(prefix)[:5]) for name in arrays if name.startswith(prefix)}
    )
    if not epochs:
        return None
    middle = epochs[len(epochs) // 2]
    epochs = sorted({*epochs[:2], middle, epochs[-1]})
    figure, grid = plt.subplots(len(epochs), 5, figsize=(10, 1.8 * len(epochs)), squeeze=False)
    for row, epoch in enumerate(epochs):
        for layer in range(5):
            axes = grid[row, layer]
            step_histograms(axes, arrays, f"{prefix}{epoch:05d}-layer{layer}")
            if not row:
                axes.set_title(f"layer {layer}" if layer else "input", fontsize=9)
        grid[row, 0].set_ylabel(f"epoch {epoch}", fontsize=9)
    grid[0, 0].legend(fontsize=7)
    figure.tight_layout()
    return figure


def draw_units(study: Study) -> Figure | None:
    """Draw the slopes of the entropies of layer 3's units, for every bin size."""
    slopes = unit_slopes(study, SHOWN, 0)
    if not slopes.size:
        return None
    figure, grid = plt.subplots(1, 4, figsize=(11, 2.8), sharey=True, layout="constrained")
    for axes, size, mine in zip(grid, UNIT_BINS, slopes, strict=True):
        axes.hist(mine, bins=30, color="C0")
        axes.axvline(0, color="grey", lw=0.8)
        axes.set_title(f"bins of {size:g}: {mine.mean():+.4f} ± {mine.std():.4f}", fontsize=9)
        axes.set_xlabel("slope in nats per epoch")
    grid[0].set_ylabel("units of layer 3")
    return figure
