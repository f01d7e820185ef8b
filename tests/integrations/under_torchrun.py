"""A training on two devices by a library's own means, one of the processes that torchrun starts."""

import os
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from tests.integrations import trainings
from tests.processes import note


def by_lightning(folder):
    from lightning import pytorch as lightning

    from infoflow.integrations.lightning import InformationMonitor
    from tests.integrations.libraries.test_lightning import Module

    module = Module()
    monitor = InformationMonitor(trainings.trackers_of(module.net, folder, [0, 1]))
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        callbacks=[monitor],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(trainings.Points(), trainings.BATCH))
    return monitor.results


def by_transformers(folder):
    from infoflow.integrations.transformers import InformationCallback
    from tests.integrations.libraries.test_transformers import Classifier, trainer_of

    model = Classifier()
    callback = InformationCallback(trainings.trackers_of(model.net, folder, [0, 1]))
    trainer_of(model, [callback], folder, num_train_epochs=1, save_strategy="no").train()
    return callback.results


def main(library, folder):
    torch.set_num_threads(1)
    results = {"lightning": by_lightning, "transformers": by_transformers}[library](Path(folder))
    found = {name: result.ixm.values.tolist() for name, result in results.items()}
    note(Path(folder), int(os.environ["RANK"]), "found", lambda: found)


if __name__ == "__main__":
    main(*sys.argv[1:])
