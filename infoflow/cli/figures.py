"""Write the figures of a result into a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from infoflow.flow.flow_result import FlowResult
from infoflow.interface import ArgumentError, ResultFileError
from infoflow.results import Result
from infoflow.results.writing import check_writable

#: Names of the figures that are written, without ``.png``.
_FIGURES = ("layer_graph", "uplot_ixm", "uplot_iym", "information_planes")


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Raise an ArgumentError, before any work is done, if figures cannot be put into ``folder``."""
    if any(place.is_file() for place in (folder, *folder.absolute().parents)):
        raise ArgumentError(
            f"Cannot make the output folder {folder}: it is, or is below, a file. Choose another."
        )
    check_new([folder / f"{name}.png" for name in _FIGURES], overwrite, "folder")


def check_new(paths: Sequence[Path], overwrite: bool, option: str = "--out") -> None:
    """Raise an ArgumentError, before any work is done, if no new files can be put at ``paths``.

    Those that are there are replaced only where the user says so.
    """
    for path in paths:
        check_writable(path, "the output", ArgumentError)
    there = [str(path) for path in paths if path.exists()]
    if there and not overwrite:
        raise ArgumentError(
            f"{' and '.join(there)} {'exist' if len(there) > 1 else 'exists'} already. Choose "
            f"another {option}, or pass --overwrite."
        )


def check_result(path: Path, overwrite: bool) -> None:
    """Raise an ArgumentError, before any work is done, if ``path`` is no place for a result."""
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder, expected a file to write. Add a name to it.")
    if path.suffix != ".nc":
        raise ArgumentError(
            f"--out must end in .nc, as results do, got {path}. Write {path.with_suffix('.nc')}."
        )
    check_new([path], overwrite)


def save_result(result: Result, path: Path, *, as_json: bool) -> None:
    """Save a result; where that fails after all, print it, so that the work is not lost."""
    try:
        result.save(path)
    except ResultFileError:
        print(json.dumps(result.to_dict(), ensure_ascii=False) if as_json else result)
        raise


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
