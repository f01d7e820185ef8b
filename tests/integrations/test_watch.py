"""What all integrations share: Trackers that a training tells what is finished."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.integrations.watch import Watch


def tracker_of(schedule=(0, 1, 2), **given):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    loader = given.pop("loader", [torch.randn(12, 3)])
    settings = {"noise": 1.0, "progress": False, "schedule": schedule, **given}
    return infoflow.Tracker(net, loader, **settings)


class Board:
    def __init__(self):
        self.seen = []

    def add_scalar(self, name, value, step):
        self.seen.append((name, step))


def test_epochs_and_the_untrained_control_are_measured_with_their_steps():
    board = Board()
    watch = Watch(tracker_of([0, 2]), writer=[board])
    watch.start(0, 0)
    for epoch in (1, 2):
        watch.finish_step(10 * epoch)
        watch.finish_epoch(epoch, 10 * epoch)
    assert watch.result.epochs == [0, 2]
    assert watch.result.dataset["step"].values.tolist() == [0, 20]
    first = [step for name, step in board.seen if name == "infoflow/ixm_bits/0"]
    assert first == [0, 20]


def test_where_steps_are_counted_epochs_are_not():
    watch = Watch(tracker_of([0, 3]), count="steps")
    watch.start(0, 0)
    watch.finish_epoch(3, 2)
    watch.finish_step(3)
    assert watch.result.epochs == watch.result.dataset["step"].values.tolist() == [0, 3]
    assert watch.result.counts == "step"
    assert ", step 3 (2 measured)" in str(watch.result)


def test_warnings_say_which_tracker_they_are_of():
    trackers = {name: tracker_of([0], noise=noise) for name, noise in (("a", 1e-9), ("b", 1e9))}
    watch = Watch(trackers)
    with pytest.warns(infoflow.SaturationWarning, match="^Tracker 'a': .*Use noise='relative'"):
        watch.start(0, 0)


def test_after_a_resume_only_what_the_state_lacks_is_measured():
    first = Watch(tracker_of())
    first.start(0, 0)
    first.finish_epoch(1, 5)
    board = Board()
    again = Watch(tracker_of(), writer=board)
    again.load_state_dict(first.state_dict())
    again.start(1, 5)
    assert board.seen == []
    late = Watch(tracker_of())
    late.load_state_dict(first.state_dict())
    late.start(2, 10)
    assert late.result.epochs == [0, 1, 2]


def test_nothing_is_measured_at_a_start_in_the_middle_of_an_epoch():
    watch = Watch(tracker_of())
    watch.start(1, 7, is_whole=False)
    assert not next(iter(watch.trackers.values())).has_measured


def test_several_trackers_have_schedules_and_results_of_their_own():
    board = Board()
    watch = Watch({"train": tracker_of([0]), "held_out": tracker_of([0, 1])}, writer=board)
    watch.start(0, 0)
    watch.finish_epoch(1, 5)
    assert {name: one.epochs for name, one in watch.results.items()} == {
        "train": [0],
        "held_out": [0, 1],
    }
    assert ("infoflow/held_out/ixm_bits/0", 5) in board.seen
    with pytest.raises(infoflow.InfoflowError, match=r"There are several Trackers, train, held_o"):
        _ = watch.result


@pytest.mark.parametrize("trackers", [None, {}, [1], {"train": 3}, "flow.nc"])
def test_what_are_no_trackers_is_refused(trackers):
    with pytest.raises(infoflow.ArgumentTypeError, match=r"trackers must be an infoflow.Tracker"):
        Watch(trackers)


def test_what_cannot_work_is_refused_before_the_training(tmp_path):
    path = tmp_path / "flow.nc"
    with pytest.raises(infoflow.ArgumentError, match="Each Tracker needs a path of its own"):
        Watch({"a": tracker_of(path=path), "b": tracker_of(path=path)})
    with pytest.raises(infoflow.ArgumentError, match="count must be 'epochs' or 'steps', got 'st"):
        Watch(tracker_of(), count="step")
    with pytest.raises(infoflow.ArgumentTypeError, match="writer must have add_scalar"):
        Watch(tracker_of(), writer="tensorboard")
    points = TensorDataset(torch.randn(12, 3))
    busy = DataLoader(points, 4, num_workers=1, persistent_workers=True)
    with pytest.raises(infoflow.ArgumentError, match="with persistent_workers=True cannot do"):
        Watch(tracker_of(loader=busy), count="steps")


def test_errors_name_the_tracker():
    watch = Watch({"train": tracker_of(layers="no.such.layer")})
    with pytest.raises(infoflow.InfoflowError, match="Tracker 'train': "):
        watch.start(0, 0)
