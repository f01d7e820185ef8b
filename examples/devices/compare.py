"""Put the numbers of two devices beside each other: the same nets, samples and settings.

Run with ``python examples/devices/compare.py --other cuda``; it writes ``devices.csv`` beside it,
with a row for each net and measurement: the largest difference between the CPU's numbers and the
other device's. About two minutes on one GPU; no data are needed.
"""

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common

from common.tables import write_table

import infoflow
from infoflow.testing import UNet, blob_images

HERE = Path(__file__).parent
HEADER = ("net", "measurement", "numbers", "largest difference", "of", "seconds, cpu", "other")
Numbers = np.ndarray
Measurement = Callable[[nn.Module, DataLoader[tuple[Tensor, ...]], str], Numbers]


def nets(samples: int) -> Iterator[tuple[str, nn.Module, DataLoader[tuple[Tensor, ...]]]]:
    """Yield a name, an untrained net and a loader of what it takes."""
    torch.manual_seed(0)
    images, masks = blob_images(samples, size=32)
    classes = masks.flatten(1).mean(1).mul(40).long().clamp(0, 9)
    yield "U-Net", UNet(base_channels=8), loader_of(images, masks)
    yield "ResNet-18", resnet18(num_classes=10), loader_of(images, classes)


def loader_of(*parts: Tensor) -> DataLoader[tuple[Tensor, ...]]:
    """Return batches of 32 samples."""
    return DataLoader(TensorDataset(*parts), batch_size=32)


def information(distances: str, estimator: str) -> Measurement:
    """Measure I(X;M) and I(Y;M) of all layers."""

    def measure(net: nn.Module, loader: DataLoader[tuple[Tensor, ...]], device: str) -> Numbers:
        found = infoflow.analyze(
            *(net, loader),
            estimator=estimator,
            noise="relative" if estimator == "kde" else None,
            distances=distances,
            device=device,
            progress=False,
        )
        return np.concatenate([found.ixm.values.ravel(), found.iym.values.ravel()])

    return measure


def ablation(net: nn.Module, loader: DataLoader[tuple[Tensor, ...]], device: str) -> Numbers:
    """Measure what is lost without each stream, as it is and mended by what reads it."""
    found = infoflow.ablate(
        net, loader, mend="reader", sets=None, device=device, progress=False, seed=0
    )
    return np.asarray(found.dataset["bits"].values, float).ravel()


MEASUREMENTS: dict[str, Measurement] = {
    "KDE, exact": information("exact", "kde"),
    "KDE, sketch": information("sketch", "kde"),
    "KDE, anchors": information("anchors", "kde"),
    "binning": information("auto", "binning"),
    "ablate, mended": ablation,
}


def rows_of(other: str, samples: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table."""
    for name, net, loader in nets(samples):
        for what, measure in MEASUREMENTS.items():
            found, seconds = [], []
            for device in ("cpu", other):
                start = time.perf_counter()
                found.append(measure(copy.deepcopy(net).to(device), loader, device))
                seconds.append(f"{time.perf_counter() - start:.1f}")
            known = np.isfinite(found[0])
            if not (known == np.isfinite(found[1])).all():
                raise SystemExit(f"{name}, {what}: a number is known on one device only.")
            apart = np.abs(found[0] - found[1])[known]
            largest, size = float(apart.max()), float(np.abs(found[0][known]).max())
            yield (name, what, str(len(apart)), f"{largest:.1e}", f"{size:.2f}", *seconds)


def main(
    other: Annotated[str, typer.Option(help="The device beside the CPU.")] = "cuda",
    samples: Annotated[int, typer.Option(min=160, help="As many as ablate needs.")] = 512,
    out: Annotated[Path, typer.Option(help="The table.")] = HERE / "devices.csv",
) -> None:
    """Measure everything on both devices."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", infoflow.InfoflowWarning)
        for row in rows_of(other, samples):
            print(*row, flush=True)
            rows.append(row)
    write_table(out, HEADER, rows)


if __name__ == "__main__":
    typer.run(main)
