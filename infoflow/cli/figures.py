"""Write the figures of a result into a folder."""

from __future__ import annotations

import os
from pathlib import Path

from infoflow.flow.result import FlowResult
from infoflow.interface import ArgumentError


def check_folder(folder: Path) -> None:
    """Make ``folder``; an ArgumentError, before any work is done, if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"Cannot make the output folder {folder}: {error.strerror}. Choose another one."
        ) from error
    if not os.access(folder, os.W_OK):
        raise ArgumentError(f"The output folder {folder} cannot be written to. Choose another one.")


def save_figures(result: FlowResult, folder: Path) -> list[Path]:
    """Write the layer graph, the U-Plots and, with a target, the information planes as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from infoflow import plots

    figures = {"layer_graph": plots.layer_graph(result).get_figure(root=True)}
    quantities: tuple[plots.Quantity, ...] = ("ixm", "iym") if result.has_target else ("ixm",)
    for quantity in quantities:
        figures[f"uplot_{quantity}"] = plots.uplot(result, quantity=quantity).get_figure(root=True)
    if result.has_target:
        figures["information_planes"] = plots.information_planes(result)
    paths = []
    for name, figure in figures.items():
        assert figure is not None, "a plot without axes of its own makes a figure"
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
        plt.close(figure)
    return paths
