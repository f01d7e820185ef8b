"""The case that speed and memory are measured on: the full-width U-Net on 605 images of 128×128.

Run as ``python -m tests.benchmarks.case BUDGET`` it prints, as JSON, the peak memory of a plain
forward pass (BUDGET ``forward``) or of a measurement, and its numbers.
"""

import importlib
import json
import os
import sys
import warnings
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.interface import InfoflowWarning
from infoflow.testing import UNet, blob_images

SAMPLES = 605
BATCH = 16
CLUSTERS = infoflow.KMeans(clusters=64)


def data():
    """Return the real training images where INFOFLOW_DATA is set, else made-up ones."""
    if "INFOFLOW_DATA" in os.environ:
        examples = Path(__file__).parents[2] / "examples"
        before = list(sys.path)
        sys.path[:0] = [str(examples / "nuclei_unet"), str(examples)]
        try:
            nuclei = importlib.import_module("data").load_nuclei(size=128)
        finally:
            sys.path[:] = before  # a folder there has the name of a package
        return TensorDataset(nuclei.images, nuclei.masks)
    return TensorDataset(*blob_images(SAMPLES, size=128))


def loader(dataset):
    return DataLoader(dataset, batch_size=BATCH)


def model():
    torch.manual_seed(0)
    return UNet(base_channels=16).eval()


@torch.no_grad()
def forward(net, batches):
    place = next(net.parameters()).device
    for images, _ in batches:
        net(images.to(place))


def measure(net, batches, target, budget, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        return infoflow.analyze(
            net, batches, target=target, memory_budget=budget, progress=False, **options
        )


def peak_bytes():
    """Return this process's own peak; ``ru_maxrss`` begins with that of the parent."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def main(budget):
    net, batches = model(), loader(data())
    numbers = []
    if budget == "forward":
        # a tiny measurement loads the libraries that a real one uses: they are not its memory
        few = TensorDataset(*batches.dataset[:BATCH])
        measure(net, loader(few), infoflow.KMeans(clusters=2), "100MB")
        forward(net, batches)
    else:
        result = measure(net, batches, CLUSTERS, budget)
        numbers = [*result.ixm.values[0], *result.iym.values[0]]
    print(json.dumps({"peak": peak_bytes(), "numbers": numbers}))


if __name__ == "__main__":
    main(sys.argv[1])
