"""Figures of the authors' saved curve beside ours, and of what few draws do."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from compression.figures.szt import CEILING, LAYERS, epoch_axis
from compression.released import expected_ceiling
from compression.study import Study


def draw_released(study: Study) -> Figure | None:
    """Draw the authors' curves beside ours, and what drawing inputs twice does to T₁ and T₂."""
    rows = study.table("released")
    if not len(rows) and not study.released:
        return None
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.4), width_ratios=(1.6, 1), layout="constrained"
    )
    for layer in range(1, 6):
        colour = LAYERS[layer - 1]
        curve = study.curve("tanh", 0, layer)
        left.plot(curve.index, curve["ixm"], colour, label=f"T{layer}, ours")
        if study.released:
            name = f"T{layer}"
            left.plot(study.released["epoch"], study.released[name], colour, ls="--", lw=1)
    for level in (CEILING, expected_ceiling(4096)):
        left.axhline(level, color="grey", lw=0.8, ls=":")
    epoch_axis(left, "I(X;T) in nats")
    left.set_title("ours, and the authors' saved curve (dashed)", fontsize=10)
    left.legend(fontsize=8)
    for layer, mine in rows.groupby("layer"):
        found = mine.groupby("draws")[["ixm", "ixm_lower"]].mean()
        colour = LAYERS[layer - 1]
        right.plot(found.index, found["ixm"], f"{colour}o-", label=f"T{layer}, value")
        right.plot(found.index, found["ixm_lower"], f"{colour}v:", label=f"T{layer}, lower bound")
    right.axhline(expected_ceiling(4096), color="grey", lw=0.8, ls=":")
    right.set(xscale="log", xlabel="draws for each input", ylabel="I(X;T) in nats")
    right.set_title("inputs drawn with replacement, as theirs", fontsize=10)
    if len(rows):
        right.legend(fontsize=8)
    return figure


def draw_few_draws(study: Study) -> Figure | None:
    """Draw I(X;T₅) of one net at the marked epochs with few and many draws, with bounds."""
    rows = study.table("szt-tanh.information")
    rows = rows[(rows["seed"] == 0) & (rows["layer"] == 5)]
    epochs = sorted(rows[rows["draws"] == rows["draws"].max()]["epoch"].unique())
    if rows["draws"].nunique() < 2:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for place, (draws, mine) in enumerate(rows[rows["epoch"].isin(epochs)].groupby("draws")):
        mine = mine.sort_values("epoch")
        at = [epochs.index(epoch) + 0.18 * (place - 1) for epoch in mine["epoch"]]
        reach = [mine["ixm"] - mine["ixm_lower"], 0 * mine["ixm"]]
        axes.errorbar(at, mine["ixm"], yerr=reach, fmt="o", ms=4, capsize=3, label=f"{draws} draws")
    axes.set_xticks(range(len(epochs)), [f"{epoch:,}" for epoch in epochs])
    axes.set(xlabel="epoch", ylabel="I(X;T5) in nats", ylim=(0, None))
    axes.legend(fontsize=8)
    return figure
