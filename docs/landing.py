"""Draw the landing page's figures: a committed measurement, and what ``infoflow demo`` wrote.

Usage: infoflow demo && python docs/landing.py infoflow-demo
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

import infoflow

DOCS = Path(__file__).parent
MEASURED = DOCS.parent / "examples" / "pruning" / "results" / "unet_0.json"
_COLOURS = ("#8da0cb", "#c44e52")
#: Layer numbers of the paper's Fig. 1, in the order in which the study has the skips.
SKIPS = ("7→11", "5→14", "3→17", "1→20")


def draw(measured: Path = MEASURED, out: Path = DOCS / "landing.png") -> None:
    """Draw the bits that the nuclei U-Net loses without each skip, as it is and mended."""
    study = json.loads(measured.read_text(encoding="utf-8"))
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for shift, way, colour in ((-0.2, "plain", "#c44e52"), (0.2, "mended", "#4c72b0")):
        numbers = [stream[way] for stream in study["streams"]]
        values = [number["test"] for number in numbers]
        spread = [
            [v - number["low"] for v, number in zip(values, numbers, strict=True)],
            [number["high"] - v for v, number in zip(values, numbers, strict=True)],
        ]
        places = [place + shift for place in range(len(values))]
        label = {"plain": "cut", "mended": "cut and mended"}[way]
        axes.barh(places, values, 0.38, xerr=spread, color=colour, label=label, ecolor="0.3")
        for place, value, high in zip(places, values, spread[1], strict=True):
            axes.text(value + high + 0.05, place, f"{value:z.2f}", va="center", fontsize=9)
    axes.axvline(study["tolerance"], color="0.4", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(SKIPS)), [f"without {skip}" for skip in SKIPS])
    axes.set_xlim(-0.1, 5.2)
    axes.invert_yaxis()
    axes.set_xlabel("bits lost per pixel, held-out images")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", frameon=False)
    figure.savefig(out, dpi=150)


def draw_layers(folder: Path, out: Path = DOCS / "landing_layers.png") -> None:
    """Draw I(Y;M) of the layers of the demo's U-Net, untrained and trained."""
    result = infoflow.load(folder / "result.nc", infoflow.FlowResult)
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    numbers = result.dataset["index"].values
    for epoch, colour in zip(result.epochs[:: len(result.epochs) - 1], _COLOURS, strict=True):
        found = result.dataset.sel(epoch=epoch)
        label = "trained" if epoch else "untrained"
        axes.plot(numbers, found["iym"], "o-", color=colour, label=label, markersize=4)
        shuffled = f"{label}, shuffled classes"
        axes.plot(numbers, found["iym_null_high"], ":", color=colour, label=shuffled)
    for skip in result.graph.skips:
        axes.axvline(skip.merge_index, color="0.8", linewidth=1, zorder=0)
        place = (skip.merge_index, 1.02)
        axes.annotate(str(skip), place, xycoords=("data", "axes fraction"), ha="center")
    axes.set_xticks(range(0, len(numbers), 2))
    axes.set_xlim(0, numbers[-1])
    axes.set_ylim(0)
    axes.set_xlabel("layer")
    axes.set_ylabel("bits about the target")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="best", frameon=False, fontsize=9)
    figure.savefig(out, dpi=150)


if __name__ == "__main__":
    draw()
    draw_layers(Path(sys.argv[1]))
