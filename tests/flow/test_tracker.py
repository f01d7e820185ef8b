"""Tracking a training: schedule, resume, sameness."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import infoflow
from infoflow.capture.targets import make_labels
from infoflow.interface import (
    HighDimensionWarning,
    InfoflowError,
    ResultFileError,
    SaturationWarning,
)

SETTINGS = {"target": infoflow.KMeans(3), "noise": 100.0, "progress": False}


def test_paper_schedule_is_the_one_of_the_authors_code():
    epochs = [epoch for epoch in range(401) if infoflow.paper_schedule(epoch)]
    expected = [*range(20), *range(20, 100, 5), *range(100, 200, 10), 200, 300, 400]
    assert epochs == expected


def change(model, epoch):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.001 * (epoch + 1))


def test_records_what_analyze_measures_at_the_due_epochs(unet, loader):
    tracker = infoflow.Tracker(unet, loader, schedule=[0, 2], **SETTINGS)
    with pytest.raises(InfoflowError, match="has measured nothing yet"):
        _ = tracker.result
    for epoch in range(3):
        assert tracker.record(epoch) == (epoch != 1)
        if epoch < 2:
            change(unet, epoch)
    now = infoflow.analyze(unet, loader, **SETTINGS)
    np.testing.assert_array_equal(tracker.result.ixm.sel(epoch=2), now.ixm.sel(epoch=0))
    assert not tracker.result.ixm.sel(epoch=0).equals(tracker.result.ixm.sel(epoch=2))


def test_resumes_from_its_file(unet, loader, tmp_path):
    path = tmp_path / "flow.nc"
    first = infoflow.Tracker(unet, loader, path=path, schedule=range(9), **SETTINGS)
    first.record(0)
    first.record(1)
    again = infoflow.Tracker(unet, loader, path=path, schedule=range(9), **SETTINGS)
    assert again.result.epochs == [0, 1]
    change(unet, 3)
    again.record(1)
    again.record(2)
    assert infoflow.load(path).epochs == [0, 1, 2]
    np.testing.assert_array_equal(again.result.ixm.sel(epoch=1), again.result.ixm.sel(epoch=2))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"noise": 50.0}, "kind"),
        ({"layers": "merges"}, "layers"),
        ({"target": infoflow.KMeans(4)}, "target"),
    ],
)
def test_refuses_to_go_on_with_other_settings(unet, loader, tmp_path, other, what):
    path = tmp_path / "flow.nc"
    infoflow.Tracker(unet, loader, path=path, **SETTINGS).record(0)
    before = path.read_bytes()
    tracker = infoflow.Tracker(unet, loader, path=path, **{**SETTINGS, **other})
    with pytest.raises(ResultFileError, match=f"measured with other {what}"):
        tracker.record(1)
    assert path.read_bytes() == before


def test_classes_stay_the_same_though_the_loader_shuffles(unet, blobs):
    tracker = infoflow.Tracker(
        unet, DataLoader(blobs, 6, shuffle=True), schedule=[0, 1], **SETTINGS
    )
    tracker.record(0)
    torch.rand(7)
    tracker.record(1)
    np.testing.assert_array_equal(*tracker.result.iym.values)


def test_y_is_reduced_once_for_all_epochs_and_anew_for_other_samples(unet, blobs):
    class Counting:
        of = "target"
        calls = 0

        def reduce(self, raw):
            self.calls += 1
            return make_labels((raw.flatten(1).mean(1) > raw.mean()).long(), "above the mean")

    target = Counting()
    images, masks = blobs.tensors
    loader = [(images[:10], masks[:10]), (images[10:], masks[10:])]
    tracker = infoflow.Tracker(unet, loader, schedule=range(9), **{**SETTINGS, "target": target})
    for epoch in range(3):
        tracker.record(epoch)
    assert target.calls == 1
    np.testing.assert_array_equal(tracker.result.iym[0], tracker.result.iym[2])
    loader.reverse()
    tracker.record(3)
    assert target.calls == 2
    np.testing.assert_allclose(tracker.result.iym[0], tracker.result.iym[3], atol=1e-6)


def test_wrong_schedule_or_path(unet, loader, tmp_path):
    with pytest.raises(ValueError, match="schedule must be a function from the epoch"):
        infoflow.Tracker(unet, loader, schedule=5)
    with pytest.raises(ValueError, match="got the folder"):
        infoflow.Tracker(unet, loader, path=tmp_path)


def test_warns_of_saturation_once(unet, loader):
    settings = {**SETTINGS, "noise": 1e-9, "layers": "encoder.0.*"}
    tracker = infoflow.Tracker(unet, loader, schedule=range(3), **settings)
    with pytest.warns(SaturationWarning) as caught:
        tracker.record(0)
    assert {w.filename for w in caught} == {__file__}
    tracker.record(1)


def test_interrupted_measurement_leaves_the_file_and_the_model(unet, loader, tmp_path):
    path = tmp_path / "flow.nc"
    tracker = infoflow.Tracker(unet, loader, path=path, schedule=range(3), **SETTINGS)
    tracker.record(0)
    unet.train()

    def interrupt(*_):
        raise KeyboardInterrupt

    handle = unet.output.register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        tracker.record(1)
    handle.remove()
    assert infoflow.load(path).epochs == [0]
    assert unet.training
    tracker.record(1)
    assert tracker.result.epochs == [0, 1]


class Another(nn.Sequential):
    """A net of another name."""


def small_net(width, kind=nn.Sequential):
    return kind(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 2))


def points(count):
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return [(x, (x[:, 0] > 0).long())]


@pytest.mark.parametrize(
    ("what", "model", "count"),
    [
        ("nets", small_net(5, Another), 40),
        ("shapes of layers", small_net(7), 40),
        ("samples", small_net(5), 30),
    ],
)
def test_a_file_of_another_net_or_other_samples_is_refused(what, model, count, tmp_path):
    path = tmp_path / "flow.nc"
    given = {"schedule": [0, 1], "path": path, "noise": 100.0, "progress": False}
    infoflow.Tracker(small_net(5), points(40), **given).record(0)
    tracker = infoflow.Tracker(model, points(count), **given)
    with pytest.raises(ResultFileError, match=f"measured with other {what}"):
        tracker.record(1)
    assert infoflow.load(path).epochs == [0]


def test_an_estimator_whose_doubt_changes_with_training_goes_on():
    """KSG finds other dimensions at every epoch; that is a doubt, and no other measurement."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(20, 2), nn.Linear(2, 30)), torch.randn(60, 20)
    loader = [(x, (x[:, 0] > 0).long())]
    tracker = infoflow.Tracker(model, loader, estimator="ksg", progress=False, schedule=range(3))
    for epoch in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HighDimensionWarning)
            tracker.record(epoch)
        with torch.no_grad():
            model[0].weight.mul_(0.5)
    assert tracker.result.epochs == [0, 1]
