"""Models 1 to 4 at several learning rates and seeds, against learning rate × steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reproduction.rates import FROM, Rates
from reproduction.scales import PAPER_EPOCHS
from reproduction.study import Seed

#: The authors' own rate is black; a rate between two has the colour of the larger.
_COLOURS = {0.001: "#222222", 0.01: "#1b6ca8", 0.05: "#d95f02", 0.1: "#e6a700"}
_LAYERS = (20, 17, 14, 11)
_LOSS, _BITS = "training loss", "I(Y;M) (bits)"


def rates(found: Rates) -> Figure:
    """Draw loss and Dice of Model 1, Dice of the others, and I(Y;M) of four layers of Model 1."""
    models = sorted({m for seeds in found.values() for s in seeds.values() for m in s.curves})
    others = [_dice(model) for model in models if model != 1]
    rows = [[_LOSS, _dice(1)], others, [_layer(layer) for layer in _LAYERS]]
    rows = [row for row in rows if row]
    figure, panels = plt.subplot_mosaic(
        [[name for name in row for _ in range(12 // len(row))] for row in rows],
        figsize=(11, 3.1 * len(rows)),
        layout="constrained",
    )
    for colour, number, seed in _each(found):
        _draw(panels, seed, {"color": colour, "alpha": 0.6**number, "linewidth": 1.3})
    first = next(iter(next(iter(found.values())).values()))
    for name, ax in panels.items():
        _label(ax, name, first)
    _legend(figure, found)
    return figure


def _each(found: Rates) -> Iterator[tuple[str, int, Seed]]:
    for rate, colour in _coloured(found).items():
        for number, seed in found[rate].items():
            yield colour, number, seed


def _coloured(found: Rates) -> dict[float, str]:
    """Return the colour of each rate, the largest rate first."""
    return {rate: _COLOURS[min(k for k in _COLOURS if k >= min(rate, 0.1))] for rate in found}


def _draw(panels: dict[str, Axes], seed: Seed, look: dict[str, Any]) -> None:
    for model, curve in seed.curves.items():
        panels[_dice(model)].plot(curve.clock[1:], curve.smooth()[1:], **look)
    first = seed.curves[1]
    panels[_LOSS].plot(first.loss_clock[1:], first.loss[1:], **look)
    for layer in _LAYERS:
        bits = seed.read()[1:, layer]
        panels[_layer(layer)].plot(seed.clock[1:], bits, "o-", markersize=3, **look)


def _label(ax: Axes, name: str, first: Seed) -> None:
    ax.set_title(name, fontsize=11)
    if name in map(_layer, _LAYERS):
        ax.set_ylim(-0.1, 1.05 * first.ceiling())
        ax.axhline(first.ceiling(), color="gray", linestyle="--", linewidth=0.9)
        layer = next(layer for layer in _LAYERS if _layer(layer) == name)
        ax.axhline(first.read()[0, layer], color="gray", linestyle=":", linewidth=1.2)
    elif name != _LOSS:
        ax.set_ylim(-0.03, 1)
    ax.set_ylabel(_BITS if name == _layer(_LAYERS[0]) else "", fontsize=10)
    ax.set_xlabel("the paper's epochs", fontsize=10)
    ax.set_xscale("log")
    ax.set_xlim(0.7 * FROM, PAPER_EPOCHS * 1.1)
    ax.grid(alpha=0.3)


def _legend(figure: Figure, found: Rates) -> None:
    lines = [
        Line2D([], [], color=colour, label=f"learning rate {rate:g}")
        for rate, colour in _coloured(found).items()
    ]
    lines += [
        Line2D([], [], color="gray", linestyle=":", label="untrained"),
        Line2D([], [], color="gray", linestyle="--", label="H(Y)"),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), fontsize=10)


def _dice(model: int) -> str:
    return f"validation Dice, Model {model}"


def _layer(layer: int) -> str:
    return f"Model 1, layer {layer}"
