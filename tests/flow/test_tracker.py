"""Tracking a training: schedule, resume, sameness."""

import json
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

SETTINGS = {
    "target": infoflow.KMeans(3),
    "noise": 100.0,
    "layers": ["encoder.0.*", "output"],
    "progress": False,
}


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
    with pytest.raises(ValueError, match="is a folder, expected a file"):
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


# --------------------------------------------------------------------------- epochs


def tracker_of(schedule=lambda epoch: True, **given):
    settings = {"noise": 100.0, "progress": False, "schedule": schedule, **given}
    return infoflow.Tracker(small_net(5), points(40), **settings)


@pytest.mark.parametrize(
    "epoch", [1.5, 0.5, -1, -1.0, "one", "1", True, None, float("nan"), np.float32(0.5), [1]]
)
def test_what_is_no_epoch_is_refused(epoch):
    tracker = tracker_of()
    with pytest.raises(InfoflowError, match=r"epoch must be a whole number of at least 0, got"):
        tracker.record(epoch)
    with pytest.raises(InfoflowError, match="has measured nothing yet"):
        _ = tracker.result


def test_whole_epochs_of_any_kind_are_taken():
    tracker = tracker_of([0, 1, 2, 3])
    for epoch in (0, 1.0, np.int64(2), torch.tensor(3)):
        assert tracker.record(epoch)
    assert tracker.result.epochs == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("all", "schedule must be a function .* got 'all'"),
        (5, "schedule must be a function .* got 5"),
        (bool, "schedule must be a function .* got the class bool"),
        ([0.5], "An epoch of schedule must be a whole number of at least 0, got 0.5"),
        (["1"], "An epoch of schedule must be a whole number"),
        (lambda: True, r"called as schedule\(epoch\)"),
        (lambda epoch: epoch % 5, "schedule must return True or False, got 0 at epoch 0"),
        (lambda epoch: 1 / epoch, "schedule failed at epoch 0 with ZeroDivisionError"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, message):
    with pytest.raises(InfoflowError, match=message):
        tracker_of(schedule).record(0)


def test_a_reopened_tracker_that_starts_anew_keeps_nothing_of_its_first_life(tmp_path):
    path = tmp_path / "flow.nc"
    first = tracker_of(path=path)
    for epoch in (0, 1, 5):
        first.record(epoch)
    again = tracker_of(path=path)
    with pytest.warns(infoflow.InfoflowWarning, match="later numbers, of epochs 1 to 5"):
        again.record(0)
    again.record(2)
    assert again.result.epochs == infoflow.load(path).epochs == [0, 2]
    assert infoflow.load(tmp_path / "flow.earlier.nc").epochs == [0, 1, 5]


def test_a_reopened_tracker_that_goes_on_from_a_checkpoint_drops_what_came_after(tmp_path):
    path = tmp_path / "flow.nc"
    first = tracker_of(path=path)
    for epoch in (0, 4, 8):
        first.record(epoch)
    again = tracker_of(path=path)
    with pytest.warns(infoflow.InfoflowWarning, match="goes back to epoch 5"):
        again.record(5)
    assert again.result.epochs == [0, 4, 5]


def test_the_same_epoch_again_drops_later_ones_and_other_orders_stay():
    tracker = tracker_of()
    for epoch in (6, 3, 0):  # checkpoints, from the last one back
        tracker.record(epoch)
    assert tracker.result.epochs == [0, 3, 6]
    with pytest.warns(infoflow.InfoflowWarning, match="of epoch 6, are those"):
        tracker.record(3)
    assert tracker.result.epochs == [0, 3]


def test_a_place_that_cannot_be_written_is_told_before_the_training():
    with pytest.raises(ResultFileError, match="Cannot write the result to /proc/no"):
        tracker_of(path="/proc/no/flow.nc")


# --------------------------------------------------------------------------- states


def passed_through(state, tmp_path, how):
    """Return a state as a checkpoint gives it back."""
    if how == "json":
        return json.loads(json.dumps(state))
    torch.save(state, tmp_path / "last.pt")
    return torch.load(tmp_path / "last.pt", weights_only=True)


@pytest.mark.parametrize("how", ["json", "weights_only"])
def test_a_state_resumes_to_the_same_numbers(how, tmp_path):
    def trained(tracker, epochs):
        for epoch in epochs:
            change(tracker.model, epoch)
            tracker.record(epoch, step=10 * epoch)

    whole = tracker_of(target=infoflow.KMeans(3))
    first = tracker_of(target=infoflow.KMeans(3))
    again = tracker_of(target=infoflow.KMeans(3))
    first.model.load_state_dict(whole.model.state_dict())
    trained(whole, range(4))
    trained(first, range(2))
    again.model.load_state_dict(first.model.state_dict())
    again.load_state_dict(passed_through(first.state_dict(), tmp_path, how))
    trained(again, range(2, 4))
    assert again.result == whole.result
    assert again.result.dataset["step"].values.tolist() == [0, 10, 20, 30]
    assert again.result.dataset["step"].dims == ("epoch",)


def test_y_is_not_reduced_again_after_a_state_is_loaded():
    first, again = tracker_of(target=infoflow.KMeans(3)), tracker_of(target=infoflow.KMeans(3))
    first.record(0)
    state = first.state_dict()
    state["labels"]["classes"] = [number % 3 for number in range(40)]
    again.load_state_dict(state)
    again.record(1)
    expected = tracker_of(target=torch.arange(40) % 3)
    expected.model.load_state_dict(again.model.state_dict())
    expected.record(1)
    np.testing.assert_array_equal(again.result.iym.sel(epoch=1), expected.result.iym.sel(epoch=1))


def test_a_state_from_before_the_first_measurement():
    tracker = tracker_of()
    tracker.load_state_dict(tracker_of().state_dict())
    with pytest.raises(InfoflowError, match="has measured nothing yet"):
        _ = tracker.result
    assert tracker.record(0)


def test_a_state_counts_more_than_the_file_whose_later_epochs_are_kept_beside(tmp_path):
    path = tmp_path / "flow.nc"
    killed = tracker_of(path=path)
    killed.record(0)
    state = killed.state_dict()
    killed.record(1)
    again = tracker_of(path=path)
    with pytest.warns(infoflow.InfoflowWarning, match="before epoch 1, now dropped"):
        again.load_state_dict(state)
    again.record(2)
    assert infoflow.load(path).epochs == [0, 2]
    assert infoflow.load(tmp_path / "flow.earlier.nc").epochs == [0, 1]


def damaged(**changes):
    tracker = tracker_of()
    tracker.record(0)
    return {**tracker.state_dict(), **changes}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1], "state must be what Tracker.state_dict.. returned, got"),
        ({"epoch": 3}, "got another mapping"),
        ({"infoflow_tracker": 99}, "of version 1, got version 99"),
        ({"infoflow_tracker": 1, "result": None}, "state lacks labels, own, has_warned"),
        (damaged(result="!!"), "The measurements in the state are damaged"),
    ],
)
def test_what_is_no_state_is_refused(state, message):
    with pytest.raises(InfoflowError, match=message):
        tracker_of().load_state_dict(state)


def test_a_state_of_another_net_is_refused_at_the_next_record():
    other = infoflow.Tracker(small_net(7), points(40), noise=100.0, progress=False)
    other.record(0)
    tracker = tracker_of()
    tracker.load_state_dict(other.state_dict())
    with pytest.raises(ResultFileError, match="measured with other shapes of layers"):
        tracker.record(1)


def test_steps_are_given_at_every_epoch_or_at_none():
    tracker = tracker_of()
    tracker.record(0)
    with pytest.raises(ResultFileError, match=r"other labels of epochs .* than now .with step="):
        tracker.record(1, step=5)
    with pytest.raises(InfoflowError, match="step must be a whole number of at least 0, got -1"):
        tracker.record(1, step=-1)
