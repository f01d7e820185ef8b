"""How far H(Y) of the clusters depends on where K-means starts."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

from common.files import reading, replacing
from data import Nuclei

import infoflow
from infoflow.interface import SingletonWarning
from reproduction.scales import Training

#: Seeds of K-means, each of which takes the best of its own ten starts.
STARTS = 10


def write_entropies(training: Training, data: Nuclei, path: Path) -> None:
    """Write H(Y) in bits, and how many classes have one image, for each seed of K-means."""
    rows = []
    for seed in range(STARTS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingletonWarning)
            labels = infoflow.KMeans(training.clusters, seed=seed).reduce(data.masks)
        bits = round(labels.entropy / math.log(2), 4)
        rows.append({"seed": seed, "bits": bits, "classes of one image": labels.singleton_classes})
    with replacing(path) as part:
        part.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read_entropies(path: Path) -> tuple[float, ...]:
    """Return the bits of every seed; none where they were not measured."""
    if not path.exists():
        return ()
    with reading(path):
        return tuple(row["bits"] for row in json.loads(path.read_text(encoding="utf-8")))
