"""Figs. 2 and 6: masks of the same cluster, and what the models find."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from common.files import reading
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.pictures import SHOWN
from reproduction.study import Study


def clusters(study: Study, results: Path) -> Figure | None:
    """Draw four masks in each row, of one class by coarsening or by K-means."""
    seed = study.main()
    path = results / f"{seed.variant}-model1-seed{seed.seed}.clusters.npz"
    if not path.exists():
        return None
    with reading(path), np.load(path) as stored:
        groups = [
            ("(a) spatial coarsening", stored["coarsening"]),
            ("(b) K-means", stored["K-means"]),
        ]
    figure = plt.figure(figsize=(11, 4.6), layout="constrained")
    halves = figure.subfigures(1, 2, wspace=0.06)
    for half, (title, masks) in zip(halves, groups, strict=True):
        half.suptitle(title, fontsize=11)
        panels = half.subplots(*masks.shape[:2], squeeze=False)
        for number, (row, of_class) in enumerate(zip(panels, masks, strict=True), 1):
            for panel, mask in zip(row, of_class, strict=True):
                _show(panel, mask[0])
            row[0].set_ylabel(f"class {number}", fontsize=9)
    return figure


def outputs(study: Study, results: Path) -> Figure | None:
    """Draw images, truth, and the masks of Models 1 to 3 at four of the paper's epochs."""
    seed = study.main()
    stored = {}
    for model in (1, 2, 3):
        path = results / f"{seed.variant}-model{model}-seed{seed.seed}.outputs.npz"
        if path.exists():
            with reading(path), np.load(path) as content:
                stored[model] = {name: content[name] for name in content.files}
    if 1 not in stored:
        return None
    first = stored[1]
    columns = [(epoch, model) for epoch in range(len(SHOWN)) for model in stored]
    width, height = 1.05 * (len(columns) + 2) + 0.3, 1.1 * len(first["images"]) + 0.7
    figure = plt.figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(len(first["images"]), len(columns) + 2, squeeze=False)
    for number, row in enumerate(panels):
        _show(row[0], _brightened(first["images"][number].transpose(1, 2, 0)))
        _show(row[1], first["truth"][number])
        for panel, (epoch, model) in zip(row[2:], columns, strict=True):
            _show_found(panel, stored[model], epoch, number, seed.rate)
    panels[0, 0].set_title("image", fontsize=9)
    panels[0, 1].set_title("truth", fontsize=9)
    for panel, (epoch, model) in zip(panels[0, 2:], columns, strict=True):
        panel.set_title(f"Model {model}\nat {SHOWN[epoch]:,}", fontsize=9)
    figure.supxlabel("the paper's epochs by learning rate × steps", fontsize=10)
    return figure


def _show_found(
    panel: Axes, stored: dict[str, np.ndarray], epoch: int, number: int, rate: float
) -> None:
    """Show a mask, or that there is none of that epoch."""
    shown = SHOWN[epoch]
    if min(stored["reached"], stored["epochs"][epoch]) * rate < 0.8 * shown:
        words = "not\nyet" if stored["reached"] * rate < 0.99 * shown else "no\nlook"
        _show(panel, np.full_like(stored["truth"][0], 0, dtype=float) + 0.85)
        panel.text(0.5, 0.5, words, transform=panel.transAxes, ha="center", va="center")
        return
    _show(panel, stored["found"][epoch][number])


def _brightened(image: np.ndarray) -> np.ndarray:
    """Return an image in 0–255 stretched so that its brightest hundredth is white."""
    brightest = max(float(np.percentile(image, 99)), 1.0)
    return (image.astype(float) * 255 / brightest).clip(0, 255).astype(np.uint8)


def _show(panel: Axes, picture: np.ndarray) -> None:
    panel.imshow(picture, cmap="gray", vmin=0, vmax=None if picture.ndim == 3 else 1)
    panel.set_xticks([])
    panel.set_yticks([])
