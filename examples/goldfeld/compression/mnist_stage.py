"""The measurements of all MNIST CNNs, and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from compression.checkpoints import find_checkpoint, read_weights, weights_path, write_rows
from compression.mnist_measure import (
    Images,
    distance_rows,
    layers_of,
    similarities,
    two_bin_entropies,
    unit_entropies,
)
from compression.mnist_net import fresh_cnn
from compression.parts import Tables, joined, kept, kept_arrays, write_arrays
from compression.scales import MnistTraining

#: The net that the paper's Figs. 7 and 8 are of, whose layers are measured over its training.
SHOWN = "dropout"
#: The net that the layers of all others are compared with.
REFERENCE = "deterministic"


def is_trained(training: MnistTraining, folder: Path) -> bool:
    """Tell whether a training has all its epochs."""
    return weights_path(folder, training.epochs).exists()


def values_at(
    training: MnistTraining, folder: Path, images: Images, epoch: int
) -> dict[str, Tensor]:
    """Return what all layers hold after an epoch."""
    net = fresh_cnn(training.beta, training.dropout, training.seed)
    net.load_state_dict(read_weights(folder, epoch))
    return layers_of(net, images[0], training.seed)


def follow(training: MnistTraining, folder: Path, images: Images, parts: Path) -> None:
    """Measure bins, units and distances of a net at every look."""
    about = {"variant": training.variant, "seed": training.seed}
    for epoch in training.looks():

        def measured(epoch: int = epoch) -> Tables:
            values = values_at(training, folder, images, epoch)
            at = {**about, "epoch": epoch}
            rows, arrays = distance_rows(values, images)
            units = {"units": unit_entropies(values["tanh3"])}
            write_arrays(parts / f"arrays-epoch{epoch:05d}.npz", arrays | units)
            bins = [{**at, **row} for row in two_bin_entropies(values)]
            return {"bins": bins, "distances": [{**at, **row} for row in rows]}

        kept(parts / f"follow-epoch{epoch:05d}.json", measured)


def compare(
    training: MnistTraining, folder: Path, reference: dict[str, Tensor], images: Images, parts: Path
) -> None:
    """Measure how like the deterministic net's the layers of a trained net are."""

    def measured() -> Tables:
        values = values_at(training, folder, images, training.epochs)
        rows, arrays = similarities(reference, values)
        write_arrays(parts / "similarity.npz", arrays)
        about = {"variant": training.variant, "seed": training.seed}
        return {"similarity": [{**about, **row} for row in rows]}

    kept(parts / "similarity.json", measured)


def collect(
    trainings: Sequence[MnistTraining], folders: Sequence[Path], parts: Path, results: Path
) -> None:
    """Write what was measured so far of all nets as tables and arrays among the results."""
    tables, arrays, metrics = [], {}, []
    for training, folder in zip(trainings, folders, strict=True):
        mine = parts / training.name
        tables += [kept(path, dict) for path in sorted(mine.glob("*.json"))]
        for path in sorted(mine.glob("*.npz")):
            found = kept_arrays(path, dict)
            arrays |= {
                f"{training.name}-{path.stem}-{name}": value for name, value in found.items()
            }
        about = {"variant": training.variant, "seed": training.seed, "images": training.images}
        metrics += [{**about, **_rounded(row)} for row in find_checkpoint(training, folder).metrics]
    for name, rows in joined(tables).items():
        write_rows(results / f"mnist.{name}.csv", rows)
    write_rows(results / "mnist.metrics.csv", metrics)
    write_arrays(results / "mnist.arrays.npz", _thinned(arrays))


def _thinned(arrays: dict[str, Any]) -> dict[str, Any]:
    """Leave out the histograms of all seeds and nets but those that the figures show."""
    shown = f"mnist-{SHOWN}-seed0"
    return {
        name: np.asarray(value)
        for name, value in arrays.items()
        if name.endswith("units") or name.startswith(shown) or "seed0-similarity" in name
    }


def _rounded(row: Any) -> dict[str, Any]:
    return {
        name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()
    }
