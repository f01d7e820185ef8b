"""Draw docs/demo.png, the README's picture, from what ``infoflow demo`` wrote.

Usage: infoflow demo && python docs/draw_demo.py infoflow-demo
"""

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

import infoflow


def draw(folder: Path, path: Path) -> None:
    """Put the U-Plot of I(Y;M) beside the frontier."""
    result = infoflow.load(folder / "result.nc")
    ablation = infoflow.load(folder / "ablation.nc")
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4), width_ratios=(1.6, 1), layout="constrained"
    )
    infoflow.plots.uplot(result, quantity="iym", ax=left)
    infoflow.plots.frontier(ablation, ax=right)
    figure.savefig(path, dpi=90, facecolor="white")


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(__file__).parent / "demo.png")
