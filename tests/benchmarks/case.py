"""The case that speed and memory are measured on: the full-width U-Net on 605 images of 128×128.

Run as ``python -m tests.benchmarks.case BUDGET`` it prints, as JSON, the peak memory of a plain
forward pass (BUDGET ``forward``) or of a measurement, and its numbers.
"""

import importlib
import json
import os
import resource
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
        sys.path[:0] = [str(examples / "nuclei_unet"), str(examples)]
        nuclei = importlib.import_module("data").load_nuclei(size=128)
        return TensorDataset(nuclei.images, nuclei.masks)
    return TensorDataset(*blob_images(SAMPLES, size=128))


def loader(dataset):
    return DataLoader(dataset, batch_size=BATCH)


def model():
    torch.manual_seed(0)
    return UNet(base_channels=16).eval()


def forward(net, batches):
    with torch.no_grad():
        for images, _ in batches:
            net(images)


def measure(net, batches, target, budget):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        return infoflow.analyze(net, batches, target=target, memory_budget=budget, progress=False)


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "numbers": numbers}))


if __name__ == "__main__":
    main(sys.argv[1])
