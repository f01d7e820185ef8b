"""Bins, distances, units and similarities of the MNIST CNN at one epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

import infoflow
from compression.mnist_net import LAYERS, Cnn
from infoflow.estimators.bin_codes import bin_digests, number_digests
from infoflow.estimators.binning import code_entropy
from infoflow.estimators.distances import squared_distances

#: Bin sizes of the entropies of single units.
UNIT_BINS = (1e-4, 1e-3, 1e-2, 1e-1)
#: Test images of the histograms of distances.
_SOME = 1000
_HISTOGRAM_BINS = 40
_COSINE_EDGES = np.linspace(-1.0, 1.0, 81)

Row = dict[str, Any]
Images = tuple[Tensor, Tensor]


@torch.no_grad()
def layers_of(net: Cnn, images: Tensor, seed: int) -> dict[str, Tensor]:
    """Return what all layers hold of all images, (N, units) each, with one draw of the noise."""
    net.eval()
    net.reseed(seed)
    parts = [net.layers(batch) for batch in images.split(500)]
    return {name: torch.cat([part[name].flatten(1) for part in parts]) for name in LAYERS}


def two_bin_entropies(values: dict[str, Tensor]) -> list[Row]:
    """Return H(Bin(T)) in nats of every layer with the bins up to 0 and above 0.

    ``ceiling`` is the most that it can be: for as many images, and for as many units.
    """
    rows = []
    for number, found in enumerate(values.values(), start=1):
        codes = number_digests(bin_digests((found > 0).float(), 1.0))
        ceiling = min(math.log(len(found)), found.shape[1] * math.log(2))
        entropy = round(float(code_entropy(codes)), 5)
        rows.append({"layer": number, "entropy": entropy, "ceiling": round(ceiling, 5)})
    return rows


def unit_entropies(values: Tensor) -> NDArray[np.float32]:
    """Return H(Bin(T(k))) in nats of every unit, for the bin sizes in turn: (sizes, units)."""
    found = [infoflow.unit_entropies(values, size) * math.log(2) for size in UNIT_BINS]
    return torch.stack(found).numpy().astype("float32")


def distance_rows(values: dict[str, Tensor], images: Images) -> tuple[list[Row], dict[str, Any]]:
    """Return medians of distances and histograms, of the input (layer 0) and every layer."""
    labels = images[1][:_SOME]
    rows, arrays = [], {}
    spaces = [images[0].flatten(1), *values.values()]
    for number, found in enumerate(spaces):
        squared = squared_distances(found[:_SOME])
        histograms = infoflow.distance_histograms(squared, labels, bins=_HISTOGRAM_BINS)
        shared = float(np.minimum(histograms.within, histograms.between).sum())
        rows.append(
            {
                "layer": number,
                "within_median": round(histograms.within_median, 5),
                "between_median": round(histograms.between_median, 5),
                "overlap": round(shared, 5),
            }
        )
        for name in ("edges", "within", "between"):
            arrays[f"layer{number}-{name}"] = getattr(histograms, name).astype("float32")
    return rows, arrays


def similarities(
    values: dict[str, Tensor], others: dict[str, Tensor]
) -> tuple[list[Row], dict[str, Any]]:
    """Return the cosine similarity of two nets' layers for the same image: moments, histogram."""
    rows, arrays = [], {}
    for number, name in enumerate(values, start=1):
        cosines = F.cosine_similarity(values[name], others[name], dim=1).numpy()
        mean, spread = float(cosines.mean()), float(cosines.std())
        rows.append({"layer": number, "mean": round(mean, 5), "std": round(spread, 5)})
        counts = np.histogram(cosines, _COSINE_EDGES)[0] / len(cosines)
        arrays[f"layer{number}"] = counts.astype("float32")
    return rows, arrays
