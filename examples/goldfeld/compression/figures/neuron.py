"""Figures of the neurons (the paper's Fig. 4), and of the rate at which the error falls."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.neuron import INPUTS
from compression.rate import slope_of
from compression.study import Study

#: Noise of the densities; wider than the paper's 0.01, so that peaks are seen at this size.
_SHOWN = 0.05


def draw_neuron(study: Study) -> Figure | None:
    """Draw the neuron's densities and its information (Fig. 4)."""
    rows = study.table("neuron")
    if not len(rows):
        return None
    figure, ((one, two), (three, four)) = plt.subplots(2, 2, figsize=(10, 6.4))
    weights = rows.drop_duplicates("epoch").set_index("epoch")[["weight", "bias"]]
    grid = np.linspace(-1.25, 1.25, 500)
    last = weights.index.max()
    for epoch in sorted({min(250, last), min(2500, last)}):
        one.plot(grid, _density(grid, *weights.loc[epoch]), label=f"epoch {epoch:,}")
    one.set(xlabel="T", ylabel="density", title=f"(a) density, β = {_SHOWN}")
    one.legend(fontsize=8)
    image = np.stack([_density(grid, *weights.loc[epoch]) for epoch in weights.index])
    two.pcolormesh(weights.index, grid, np.sqrt(image.T), shading="nearest", cmap="magma_r")
    two.set(xscale="log", xlabel="epoch", ylabel="T", title="(b) density by epoch (root)")
    _curves(three, rows, [0.01])
    three.set_title("(c) I(X;T), β = 0.01")
    _curves(four, rows, sorted(rows["beta"].unique()))
    four.set_title("(d) several β: integrated (lines), sampled (circles)")
    figure.tight_layout()
    return figure


def _curves(axes: Axes, rows, betas) -> None:  # type: ignore[no-untyped-def]
    for place, beta in enumerate(betas):
        mine = rows[rows["beta"] == beta]
        axes.plot(mine["epoch"], mine["integrated"], f"C{place}", label=f"β = {beta:g}")
        axes.plot(mine["epoch"], mine["sampled"], f"C{place}o", ms=4, mfc="none")
    axes.axhline(math.log(4), color="grey", lw=0.8, ls=":")
    axes.set(xscale="log", xlabel="epoch", ylabel="I(X;T) in nats")
    axes.legend(fontsize=8)


def _density(grid: np.ndarray, weight: float, bias: float) -> np.ndarray:
    centres = np.tanh(weight * INPUTS.numpy() + bias)
    kernels = np.exp(-(((grid[:, None] - centres) / _SHOWN) ** 2) / 2)
    density: np.ndarray = kernels.mean(axis=1) / (_SHOWN * math.sqrt(2 * math.pi))
    return density


def draw_pair(study: Study) -> Figure | None:
    """Draw the information of two leaky-ReLU neurons in a row."""
    rows = study.table("pair")
    if not len(rows):
        return None
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for layer, mine in rows.groupby("layer"):
        colour = f"C{layer - 1}"
        axes.plot(mine["epoch"], mine["integrated"], colour, label=f"T{layer}, integrated")
        axes.plot(mine["epoch"], mine["sampled"], f"{colour}o", ms=4, mfc="none", label="sampled")
    axes.axhline(math.log(8), color="grey", lw=0.8, ls=":")
    axes.set(xscale="log", xlabel="epoch", ylabel="I(X;T) in nats")
    axes.legend(fontsize=8)
    return figure


def draw_rate(study: Study) -> Figure | None:
    """Draw the error against the number of inputs, on logarithmic axes."""
    rows = study.table("rate")
    if not len(rows):
        return None
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for layer, mine in rows.groupby("layer"):
        slope, doubt = slope_of(mine.to_dict("records"))
        label = f"layer {layer}: slope {slope:.2f} ± {doubt:.2f}"
        columns = [mine[name] for name in ("inputs", "error_nats", "standard_error")]
        axes.errorbar(*columns, marker="o", ms=4, label=label)
    guide = np.array([8, 512])
    axes.plot(guide, 0.7 / np.sqrt(guide), "k:", lw=0.8, label=r"$n^{-1/2}$")
    axes.set(xscale="log", yscale="log", xlabel="inputs n", ylabel="mean error in nats")
    axes.set_title("A noisy linear chain, against its closed form")
    axes.legend(fontsize=8)
    return figure
