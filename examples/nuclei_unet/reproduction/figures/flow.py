"""Figs. 1, 3 and 4: the net, its information planes, and its U-Plots."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import infoflow
from reproduction.study import Study, on_paper_clock

#: The paper's Fig. 4 has exponentially spaced epochs, of which its text names the last two.
PAPERS = (1, 10, 100, 1000, 10_000)


def layer_graph(study: Study, results: Path) -> Figure | None:
    """Draw the layer graph of Model 1 with its numbers."""
    flow = study.main().flow
    return None if flow is None else _figure(infoflow.plots.layer_graph(flow.graph))


def planes(study: Study, results: Path) -> Figure | None:
    """Draw the information planes of all layers, by the paper's epochs."""
    seed = study.main()
    if seed.flow is None:
        return None
    figure = infoflow.plots.information_planes(on_paper_clock(seed))
    figure.axes[-1].set_ylabel("the paper's epoch by lr × steps")
    return figure


def uplots(study: Study, results: Path) -> Figure | None:
    """Draw both U-Plots, at the looks nearest to the paper's epochs."""
    seed = study.main()
    if seed.flow is None:
        return None
    flow = on_paper_clock(seed)
    shown = nearest(seed.clock, PAPERS)
    figure, axes = plt.subplots(1, 2, figsize=(15, 5.2), layout="constrained")
    for ax, quantity in zip(axes, ("ixm", "iym"), strict=True):
        infoflow.plots.uplot(flow, ax, quantity=quantity, epochs=shown)
        ax.set_xlabel(f"layer index (looks at {', '.join(f'{epoch:,}' for epoch in shown)})")
    for bar in figure.axes[2:]:
        bar.set_ylabel("the paper's epoch by lr × steps")
    return figure


def nearest(clock: np.ndarray, papers: tuple[int, ...]) -> list[int]:
    """Return the looks after the start that come nearest to the paper's epochs, by their ratio.

    Examples
    --------
    >>> nearest(np.array([0.0, 50.0, 100.0, 900.0]), (1, 100, 1000))
    [0, 50, 100, 900]
    """
    later = clock[clock > 0]
    found = {0}
    for paper in papers:
        if len(later) and paper <= 1.5 * later[-1]:
            found.add(round(float(later[np.abs(np.log(later / paper)).argmin()])))
    return sorted(found)


def _figure(ax: plt.Axes) -> Figure:
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure
