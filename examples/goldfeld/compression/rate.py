"""How fast the error of sample propagation falls with the inputs, against a closed form.

X is standard normal, every layer of a linear chain adds noise of β = 0.5, and there are as many
draws of each input as inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from infoflow.estimators.propagation import sample_propagation

BETA = 0.5
#: Inputs of the data sets, by layer.
SIZES = {1: (16, 32, 64, 128, 256, 512), 2: (8, 16, 32)}


def errors_of(layer: int, size: int, sets: int) -> NDArray[np.float64]:
    """Return the error, in nats, on each of many data sets of ``size`` inputs."""
    truth = 0.5 * math.log1p(1.0 / (layer * BETA**2))
    errors = []
    for seed in range(sets):
        generator = torch.Generator().manual_seed(1000 * size + seed)
        draws = torch.randn(size, 1, 1, generator=generator, dtype=torch.float64)
        if layer == 2:
            noise = torch.randn(size, size, 1, generator=generator, dtype=torch.float64)
            draws = draws + BETA * noise
        wanted = 0.1 / math.sqrt(size)  # well below the error that the inputs make
        got = sample_propagation(draws, BETA, standard_error=wanted, seed=seed)
        errors.append(got.ixm - truth)
    return np.array(errors)


def rate_rows(sets: int) -> list[dict[str, Any]]:
    """Return the mean absolute error with its standard error, and the mean error, in nats.

    ``sets`` is the number of data sets of the largest sizes; small ones cost little and can be
    four times as many.
    """
    rows = []
    for layer, sizes in SIZES.items():
        for size in sizes:
            errors = errors_of(layer, size, sets * (1 if size > 64 // layer**2 else 4))
            distances = np.abs(errors)
            spread = float(distances.std() / math.sqrt(len(errors)))
            rows.append(
                {
                    "layer": layer,
                    "inputs": size,
                    "error_nats": round(float(distances.mean()), 5),
                    "standard_error": round(spread, 5),
                    "bias_nats": round(float(errors.mean()), 5),
                    "data_sets": len(errors),
                }
            )
    return rows


def slope_of(rows: Sequence[dict[str, float]]) -> tuple[float, float]:
    """Return the slope of log error by log inputs, and its standard error."""
    sizes, errors, bars = (
        np.array([row[key] for row in rows]) for key in ("inputs", "error_nats", "standard_error")
    )
    fit, covariance = np.polyfit(np.log(sizes), np.log(errors), 1, w=errors / bars, cov="unscaled")
    return float(fit[0]), float(covariance[0, 0] ** 0.5)
