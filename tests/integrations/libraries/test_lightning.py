"""Lightning's trainer with the monitor: the numbers of a bare Tracker, also after a crash."""

import pytest
import torch
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional as F
from torch.utils.data import DataLoader

import infoflow
from infoflow.integrations.lightning import InformationMonitor
from tests.integrations import trainings

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:Checkpoint directory",
    "ignore:.*does not have many workers",
)


class Module(lightning.LightningModule):
    def __init__(self, drop=0.3, crash_at=None):
        super().__init__()
        self.net = trainings.Net(drop)
        self.crash_at = crash_at

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, number):
        if self.crash_at == self.global_step:
            raise KeyError("the machine is gone")
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def fit(module, callbacks, folder, ckpt_path=None, epochs=trainings.EPOCHS, **given):
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        log_every_n_steps=1,
        logger=given.pop("logger", False),
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=callbacks,
        **given,
    )
    torch.manual_seed(2)
    trainer.fit(module, DataLoader(trainings.Points(), trainings.BATCH), ckpt_path=ckpt_path)
    return trainer


def expected(drop=0.3):
    net = trainings.Net(drop)
    return net, trainings.by_hand(net, trainings.trackers_of(net))


def test_the_numbers_of_a_bare_tracker_in_a_training_that_goes_on_as_without(tmp_path):
    net, wanted = expected()
    module = Module()
    monitor = InformationMonitor(trainings.trackers_of(module.net, tmp_path))
    fit(module, [monitor], tmp_path)
    assert trainings.same(monitor.results, wanted)
    assert infoflow.load(tmp_path / "held_out.nc").epochs == [0, 1, 2, 3]
    for mine, theirs in zip(net.parameters(), module.net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def killed_and_resumed(folder, crash_at, checkpoint):
    """Return what a training measured that was killed, and went on from a checkpoint."""
    saving = ModelCheckpoint(folder, save_last=True, save_top_k=-1)
    killed = Module(drop=0.0, crash_at=crash_at)
    monitor = InformationMonitor(trainings.trackers_of(killed.net, folder))
    with pytest.raises(KeyError, match="the machine is gone"):
        fit(killed, [monitor, saving], folder)
    again = Module(drop=0.0)
    monitor = InformationMonitor(trainings.trackers_of(again.net, folder))
    fit(again, [monitor, saving], folder, ckpt_path=folder / checkpoint)
    return monitor.results


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_numbers(tmp_path):
    wanted = expected(drop=0.0)[1]
    assert trainings.same(killed_and_resumed(tmp_path, 6, "last.ckpt"), wanted)
    assert infoflow.load(tmp_path / "train.nc") == wanted["train"]


def test_what_was_measured_after_the_checkpoint_is_measured_again(tmp_path):
    with pytest.warns(infoflow.InfoflowWarning, match="goes back to before epoch 2"):
        results = killed_and_resumed(tmp_path, 9, "epoch=0-step=4.ckpt")
    assert trainings.same(results, expected(drop=0.0)[1])


def test_a_checkpoint_without_the_monitor_starts_the_measurements_where_it_is(tmp_path):
    module = Module(drop=0.0)
    fit(module, [ModelCheckpoint(tmp_path, save_last=True)], tmp_path, epochs=1)
    again = Module(drop=0.0)
    monitor = InformationMonitor(trainings.trackers_of(again.net))
    fit(
        again,
        [monitor, ModelCheckpoint(tmp_path, save_last=True)],
        tmp_path,
        tmp_path / "last.ckpt",
        epochs=2,
    )
    wanted = expected(drop=0.0)[1]["train"]
    assert monitor.results["train"] == wanted.sel(epoch=[1, 2])


class Validated(Module):
    def validation_step(self, batch, number):
        self.log("loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def val_dataloader(self):
        return DataLoader(trainings.Points(seed=5), trainings.BATCH)


def test_a_checkpoint_made_by_the_validation_lacks_its_epoch_which_is_measured_on_resume(tmp_path):
    wanted = expected(drop=0.0)[1]
    for epochs, checkpoint in ((2, None), (3, "last.ckpt")):
        module = Validated(drop=0.0)
        monitor = InformationMonitor(trainings.trackers_of(module.net))
        saving = ModelCheckpoint(
            tmp_path, monitor="loss", save_last=True, save_on_train_epoch_end=False
        )
        path = checkpoint and tmp_path / checkpoint
        fit(module, [monitor, saving], tmp_path, path, epochs=epochs)
    assert trainings.same(monitor.results, wanted)


def test_steps_are_counted_when_the_optimizer_makes_them(tmp_path):
    module = Module()
    tracker = trainings.trackers_of(module.net, schedule=[0, 1, 3, 4])["train"]
    monitor = InformationMonitor(tracker, count="steps")
    fit(module, [monitor], tmp_path, epochs=2, accumulate_grad_batches=2)
    assert monitor.result.epochs == monitor.result.dataset["step"].values.tolist() == [0, 1, 3, 4]


def test_a_training_that_ends_within_an_epoch_measures_no_half_epoch(tmp_path):
    module = Module()
    monitor = InformationMonitor(trainings.trackers_of(module.net))
    fit(module, [monitor], tmp_path, epochs=None, max_steps=6)
    assert monitor.results["train"].epochs == [0, 1]


def test_the_module_itself_can_be_measured_while_it_is_trained(tmp_path):
    module = Module()
    monitor = InformationMonitor(trainings.trackers_of(module)["train"])
    fit(module, [monitor], tmp_path, epochs=1)
    wanted = expected()[1]["train"]
    torch.testing.assert_close(
        monitor.result.ixm.values, wanted.ixm.sel(epoch=[0, 1]).values, rtol=0, atol=0
    )
    assert monitor.result.layers[0] == "net.first"


def test_a_checkpoint_of_other_trackers_is_refused(tmp_path):
    monitor = InformationMonitor(trainings.trackers_of(trainings.Net()))
    other = InformationMonitor(trainings.trackers_of(trainings.Net())["train"])
    with pytest.raises(
        infoflow.ArgumentError, match="The checkpoint is of Trackers train, held_out"
    ):
        other.load_state_dict(monitor.state_dict())
    with pytest.raises(infoflow.ArgumentError, match="to go on from must be what"):
        other.load_state_dict({"epoch": 3})


def test_two_monitors_have_states_of_their_own(tmp_path):
    module = Module()
    several = trainings.trackers_of(module.net)
    keys = {InformationMonitor({name: one}).state_key for name, one in several.items()}
    assert len(keys) == 2
