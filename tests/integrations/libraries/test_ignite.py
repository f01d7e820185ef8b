"""An Ignite engine with Trackers: the numbers of a bare Tracker, also after a crash."""

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint
from torch.utils.data import DataLoader

from infoflow.integrations.ignite import attach
from tests.integrations import trainings


class Training:
    """An engine that trains a net, and what a checkpoint must hold."""

    def __init__(self, *, drop=0.3, crash_at=None):
        self.net = trainings.Net(drop)
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)

        def step(engine, batch):
            if engine.state.iteration == crash_at:
                raise KeyError("the machine is gone")
            trainings.step(self.net, optimizer, batch)

        self.engine = Engine(step)
        self.saved = {"engine": self.engine, "net": self.net, "optimizer": optimizer}

    def run(self, epochs=trainings.EPOCHS):
        torch.manual_seed(2)
        self.engine.run(DataLoader(trainings.Points(), trainings.BATCH), max_epochs=epochs)


def by_hand(drop=0.3):
    net = trainings.Net(drop)
    return net, trainings.by_hand(net, trainings.trackers_of(net))


def test_the_numbers_of_a_bare_tracker_in_a_training_that_goes_on_as_without(tmp_path):
    net, wanted = by_hand(drop=0.0)
    training = Training(drop=0.0)
    watch = attach(training.engine, trainings.trackers_of(training.net, tmp_path))
    training.run()
    assert trainings.same(watch.results, wanted)
    for mine, theirs in zip(net.parameters(), training.net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_random_numbers_are_those_of_a_training_without(tmp_path):
    alone, watched = Training(), Training()
    attach(watched.engine, trainings.trackers_of(watched.net))
    for training in (alone, watched):
        training.run()
    for mine, theirs in zip(alone.net.parameters(), watched.net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("is_saved_first", [False, True])
def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path, is_saved_first):
    killed = Training(drop=0.0, crash_at=10)

    def save(watch):
        saving = Checkpoint({**killed.saved, "watch": watch}, tmp_path, n_saved=None)
        killed.engine.add_event_handler(Events.EPOCH_COMPLETED, saving)

    trackers = trainings.trackers_of(killed.net)
    if is_saved_first:  # the checkpoint lacks the epoch that it closes
        watch = attach(Engine(lambda engine, batch: None), trackers)
        save(watch)
        attached = attach(killed.engine, trackers)
        assert attached.trackers == watch.trackers
    else:
        save(attach(killed.engine, trackers))
    with pytest.raises(KeyError, match="the machine is gone"):
        killed.run()
    again = Training(drop=0.0)
    watch = attach(again.engine, trainings.trackers_of(again.net))
    stored = torch.load(tmp_path / "checkpoint_8.pt", weights_only=True)
    Checkpoint.load_objects({**again.saved, "watch": watch}, stored)
    again.run()
    assert trainings.same(watch.results, by_hand(drop=0.0)[1])


def test_steps_are_the_iterations():
    training = Training()
    tracker = trainings.trackers_of(training.net, schedule=[0, 3, 8])["train"]
    watch = attach(training.engine, tracker, count="steps")
    training.run(epochs=2)
    assert watch.result.epochs == [0, 3, 8]
