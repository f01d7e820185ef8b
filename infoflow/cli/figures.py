"""Write the figures of a result into a folder."""

from __future__ import annotations

import os
from pathlib import Path

from infoflow.flow.flow_result import FlowResult
from infoflow.interface import ArgumentError


def check_folder(folder: Path) -> None:
    """Raise an ArgumentError, before any work is done, if ``folder`` cannot be made or written."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "is no folder" if not there.is_dir() else "cannot be written to"
        raise ArgumentError(
            f"Cannot make the output folder {folder}: {there} {what}. Choose another."
        )


def check_file(path: Path) -> None:
    """Raise an ArgumentError, before any work is done, if ``path`` cannot be a new file."""
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder, expected a file to write. Add a name to it.")
    check_folder(path.parent)


def check_result(path: Path) -> None:
    """Raise an ArgumentError, before any work is done, if ``path`` is no place for a result."""
    check_file(path)
    if path.suffix != ".nc":
        raise ArgumentError(
            f"--out must end in .nc, as results do, got {path}. Write {path.with_suffix('.nc')}."
        )


def save_figures(result: FlowResult, folder: Path) -> list[Path]:
    """Write the layer graph, the U-Plots and the information planes as PNG.

    Those of I(Y;M) need a target, and KSG gives no I(X;M).
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from infoflow import plots

    figures = {"layer_graph": plots.layer_graph(result).get_figure(root=True)}
    known = {"ixm": result.has_input_information, "iym": result.has_target}
    names: tuple[plots.Quantity, ...] = ("ixm", "iym")
    for quantity in (name for name in names if known[name]):
        figures[f"uplot_{quantity}"] = plots.uplot(result, quantity=quantity).get_figure(root=True)
    if all(known.values()):
        figures["information_planes"] = plots.information_planes(result)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        assert figure is not None, "a plot without axes of its own makes a figure"
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
        plt.close(figure)
    return paths
