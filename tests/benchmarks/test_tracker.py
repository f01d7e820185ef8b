"""Cost of a Tracker's record beside an epoch of the nuclei training, in CPU time.

Run with ``pytest tests/benchmarks/test_tracker.py --benchmark-only -s``.
"""

import itertools
import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

import infoflow
from infoflow.interface import InfoflowWarning
from tests.benchmarks import case
from tests.benchmarks.clock import ratios, show


@pytest.mark.benchmark(group="tracker")
def test_a_record_beside_an_epoch(benchmark, clock, tmp_path):
    """The full-width U-Net, 605 images of 128×128 in batches of 16; 64 samples are measured."""
    dataset = case.data()
    net = case.model().to(clock.device)
    batches = DataLoader(dataset, batch_size=case.BATCH, shuffle=True)
    rule = torch.optim.SGD(net.parameters(), lr=0.05)
    probes = infoflow.ProbeSet(net, case.loader(dataset), target=infoflow.KMeans(clusters=8))
    trackers = {
        mode: infoflow.Tracker(
            net, probes, schedule=range(100), path=tmp_path / f"{mode}.nc", noise="relative",
            distances=mode, progress=False,
        )
        for mode in ("exact", "sketch")
    }  # fmt: skip
    epochs = itertools.count()

    def train():
        net.train()
        for images, masks in batches:
            rule.zero_grad()
            found = net(images.to(clock.device))
            F.binary_cross_entropy(found, masks.to(clock.device)).backward()
            rule.step()

    def record(mode):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InfoflowWarning)
            assert trackers[mode].record(next(epochs))

    ways = {"epoch": train} | {f"record, {mode}": partial(record, mode) for mode in trackers}
    for mode in trackers:
        record(mode)
    show(benchmark, ratios(clock.rounds(ways), "epoch"))
