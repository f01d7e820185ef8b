"""All figures, each a function of the results alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from common.files import replacing
from matplotlib.figure import Figure

from compression.figures.mnist import (
    draw_mnist_distances,
    draw_similarity,
    draw_two_bins,
    draw_units,
)
from compression.figures.neuron import draw_neuron, draw_pair, draw_rate
from compression.figures.released import draw_few_draws, draw_released
from compression.figures.szt import draw_bins, draw_distances, draw_net
from compression.study import Study

#: Files, and what draws them; a function returns None where its measurements are missing.
FIGURES: dict[str, Callable[[Study], Figure | None]] = {
    "bins.png": draw_bins,
    "tanh.png": lambda study: draw_net(study, "tanh"),
    "orthonormal.png": lambda study: draw_net(study, "orthonormal"),
    "linear.png": lambda study: draw_net(study, "linear"),
    "relu.png": lambda study: draw_net(study, "relu"),
    "distances.png": draw_distances,
    "released.png": draw_released,
    "few_draws.png": draw_few_draws,
    "neuron.png": draw_neuron,
    "pair.png": draw_pair,
    "rate.png": draw_rate,
    "similarity.png": draw_similarity,
    "two_bins.png": draw_two_bins,
    "mnist_distances.png": draw_mnist_distances,
    "units.png": draw_units,
}


def draw_all(study: Study, folder: Path) -> None:
    """Draw every figure whose measurements are there, and say which are not."""
    for name, draw in FIGURES.items():
        figure = draw(study)
        if figure is None:
            print(f"  {name}: not measured, left out", flush=True)
            continue
        with replacing(folder / name) as part:
            figure.savefig(part, dpi=90, format="png")
        plt.close(figure)
