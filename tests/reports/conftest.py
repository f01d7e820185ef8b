"""One small result of each kind that a report knows, all of one net."""

import warnings

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.pruning.trial.outcome import TrialRow, trial_of
from infoflow.testing import UNet, blob_images
from infoflow.validation import ENTRANTS, known_cases


def flow_of(net, images, masks, seed=0):
    loader = DataLoader(TensorDataset(images, masks), batch_size=len(images))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracker = infoflow.Tracker(net, loader, target=infoflow.KMeans(4, seed=seed), noise=0.1)
        tracker.record(0)
        tracker.record(3)
    return tracker.result


def trial_without(streams):
    """Return a trial of single streams, made up."""
    size = {"parameters": 100, "multiply_adds": 1000, "activation_bytes": 64, "latency": 1.0}
    rows = [TrialRow("as it is", "whole", (), (), cut=0.8, **size)]
    rows += [
        TrialRow(name, "alone", (name,), ("cut",), cut=0.8 - 0.1 * number, **size)
        for number, name in enumerate(streams)
    ]
    readings = {"bits lost": {name: 1.0 * number for number, name in enumerate(streams)}}
    return trial_of(rows, model="UNet", readings=readings, notes=["made up"])


@pytest.fixture(scope="session")
def results():
    torch.manual_seed(0)
    net = UNet(base_channels=2)
    images, masks = blob_images(96, size=16, seed=0)
    held_out = DataLoader(TensorDataset(images, masks), batch_size=32)
    few = [(images[:24], masks[:24])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow = flow_of(net, images[:24], masks[:24])
        ablation = infoflow.ablate(net, held_out, mend=None, tolerance=2.0, progress=False)
        advice = infoflow.suggest_pruning(ablation)
        probing = {"family": "linear", "pixels": 4, "folds": 2, "progress": False}
        found = [
            *(flow, flow.graph, flow.audit(), ablation, advice),
            trial_without([row.skip.name for row in ablation.rows]),
            infoflow.usable_streams(net, few, **probing),
            infoflow.probe(net, few, folds=2, pixels=8, progress=False),
            infoflow.layer_unit_entropies(net, few),
            infoflow.plan(flow.graph, 605),
            infoflow.validate(entrants=ENTRANTS[:1], cases=known_cases()[:1], seed=0),
        ]
    return {type(one).__name__: one for one in found}
