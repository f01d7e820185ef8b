"""Models 1 to 4 at several learning rates and seeds, against learning rate × steps."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reproduction.rates import Rates
from reproduction.scales import PAPER_EPOCHS

#: From the largest rate to the smallest, which is drawn above the others.
_COLOURS = ("#e6a700", "#d95f02", "#1b6ca8", "#222222")
_MODELS, _LAYERS = (1, 2, 3, 4), (20, 17, 14, 11)


def rates(found: Rates) -> Figure:
    """Draw loss and Dice of the four models, and I(Y;M) of four layers of Model 1."""
    figure, panels = plt.subplots(
        3, 4, figsize=(11, 8), layout="constrained", sharex=True, sharey="row"
    )
    for column, (model, layer) in enumerate(zip(_MODELS, _LAYERS, strict=True)):
        loss, dice, bits = panels[:, column]
        for colour, seeds in zip(_COLOURS, found.values(), strict=False):
            for number, seed in seeds.items():
                look = {"color": colour, "alpha": 0.6**number, "linewidth": 1.3}
                if model in seed.curves:
                    curve = seed.curves[model]
                    loss.plot(curve.loss_clock[1:], curve.loss[1:], **look)
                    dice.plot(curve.clock[1:], curve.smooth()[1:], **look)
                bits.plot(seed.clock[1:], seed.read()[1:, layer], ".-", markersize=3, **look)
        loss.set_title(f"Model {model}", fontsize=11)
        bits.set_title(f"Model 1, layer {layer}", fontsize=11)
    _label(panels[:, 0])
    for ax in panels.flat:
        _scale(ax)
    lines = [
        Line2D([], [], color=colour, label=f"learning rate {rate:g}")
        for colour, rate in zip(_COLOURS, found, strict=False)
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), fontsize=11)
    figure.supxlabel("the paper's epochs by learning rate × steps", fontsize=11)
    return figure


def _label(axes: list[Axes]) -> None:
    words = ("training loss", "validation Dice", "I(Y;M) (bits)")
    for ax, label in zip(axes, words, strict=True):
        ax.set_ylabel(label, fontsize=11)


def _scale(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xlim(50, PAPER_EPOCHS * 1.05)
    ax.grid(alpha=0.3)
