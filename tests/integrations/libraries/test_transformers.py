"""The Hugging Face Trainer with the callback: the numbers of a bare Tracker, also after a crash."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainerCallback, TrainingArguments

import infoflow
from infoflow.integrations.transformers import InformationCallback
from tests.integrations import trainings


class Classifier(nn.Module):
    """The Trainer wants the loss from the model."""

    def __init__(self, drop=0.3):
        super().__init__()
        self.net = trainings.Net(drop)

    def forward(self, x, labels=None):
        logits = self.net(x)
        loss = {} if labels is None else {"loss": F.cross_entropy(logits, labels)}
        return {**loss, "logits": logits}


class InOrder(Trainer):
    def _get_train_sampler(self, *of_the_data):
        return None


class Crash(TrainerCallback):
    def __init__(self, at):
        self.at = at

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.at:
            raise KeyError("the machine is gone")


def trainer_of(model, callbacks, folder, **given):
    given = {"num_train_epochs": trainings.EPOCHS, "save_strategy": "epoch", **given}
    args = TrainingArguments(
        folder / "trainer",
        per_device_train_batch_size=trainings.BATCH,
        learning_rate=0.1,
        lr_scheduler_type="constant",
        max_grad_norm=0,
        report_to="none",
        use_cpu=True,
        seed=2,
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=False,
        **given,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return InOrder(
        model,
        args,
        train_dataset=trainings.Points(named=True),
        callbacks=callbacks,
        optimizers=(optimizer, None),
    )


def by_hand(drop=0.0):
    net = trainings.Net(drop)
    return net, trainings.by_hand(net, trainings.trackers_of(net))


def test_the_numbers_of_a_bare_tracker_in_a_training_that_goes_on_as_without(tmp_path):
    net, wanted = by_hand()
    model = Classifier(drop=0.0)
    callback = InformationCallback(trainings.trackers_of(model.net, tmp_path))
    trainer_of(model, [callback], tmp_path).train()
    assert trainings.same(callback.results, wanted)
    for mine, theirs in zip(net.parameters(), model.net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_random_numbers_are_those_of_a_training_without(tmp_path):
    alone, other = Classifier(), Classifier()
    trainer_of(alone, [], tmp_path / "a").train()
    trainer_of(
        other, [InformationCallback(trainings.trackers_of(other.net))], tmp_path / "b"
    ).train()
    for mine, theirs in zip(alone.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_numbers(tmp_path):
    wanted = by_hand()[1]
    killed = Classifier(drop=0.0)
    callback = InformationCallback(trainings.trackers_of(killed.net, tmp_path))
    with pytest.raises(KeyError, match="the machine is gone"):
        trainer_of(killed, [callback, Crash(10)], tmp_path).train()
    again = Classifier(drop=0.0)
    callback = InformationCallback(trainings.trackers_of(again.net, tmp_path))
    trainer_of(again, [callback], tmp_path).train(resume_from_checkpoint=True)
    assert trainings.same(callback.results, wanted)
    assert infoflow.load(tmp_path / "train.nc") == wanted["train"]


def test_a_checkpoint_without_the_callback_can_be_gone_on_from(tmp_path):
    trainer_of(Classifier(drop=0.0), [], tmp_path, num_train_epochs=1).train()
    again = Classifier(drop=0.0)
    callback = InformationCallback(trainings.trackers_of(again.net))
    trainer_of(again, [callback], tmp_path).train(resume_from_checkpoint=True)
    assert callback.results["train"] == by_hand()[1]["train"].sel(epoch=[1, 2, 3])


def test_the_model_itself_and_steps(tmp_path):
    model = Classifier()
    tracker = trainings.trackers_of(model, schedule=[0, 1, 3], named=True)["train"]
    callback = InformationCallback(tracker, count="steps")
    trainer_of(model, [callback], tmp_path, gradient_accumulation_steps=2).train()
    assert callback.result.epochs == [0, 1, 3]
    assert callback.result.layers[0] == "net.first"


def test_a_training_that_ends_within_an_epoch_measures_no_half_epoch(tmp_path):
    model = Classifier()
    callback = InformationCallback(trainings.trackers_of(model.net))
    trainer_of(model, [callback], tmp_path, max_steps=6).train()
    assert callback.results["train"].epochs == [0, 1]


def test_a_callback_that_the_trainer_makes_anew_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(infoflow.ArgumentError, match="restore_callback_states_from_checkpoint=F"):
        InformationCallback()
