"""The train stage: runs that are there are taken over, the others are trained."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from checkpoint import Checkpoint, RunError
from common.files import reading, replacing
from data import Nuclei
from models import build_model
from run import Run, Settings, weights_file
from torch import Tensor
from train import note_environment, train

from infoflow.testing import UNet
from reproduction.graphed import GraphedRun
from reproduction.scales import BATCH, Training, steps_per_epoch


@dataclass(frozen=True)
class Trained:
    """A training's folder, finished or not.

    Parameters
    ----------
    training
        What it is a run of.
    folder
        With ``checkpoint.pt``, ``metrics.csv`` and ``weights/``.
    checkpoint
        Where it stands.
    only
        Leave out all epochs but these, unless it is empty.
    """

    training: Training
    folder: Path
    checkpoint: Checkpoint
    only: tuple[int, ...] = ()

    @property
    def epoch(self) -> int:
        """Where it stands; of a longer run, what counts is up to the training's last epoch."""
        return min(self.checkpoint.epoch, self.training.epochs)

    @property
    def is_finished(self) -> bool:
        """Whether it has all its epochs."""
        return self.epoch == self.training.epochs

    def kept(self) -> list[int]:
        """Return the epochs to measure whose weights are there."""
        wanted = [e for e in self.training.looks() if not self.only or e in self.only]
        return [e for e in wanted if e <= self.epoch and weights_file(self.folder, e).exists()]

    def weights(self, epoch: int) -> dict[str, Tensor]:
        """Return the weights after an epoch."""
        path = weights_file(self.folder, epoch)
        return torch.load(path, map_location="cpu", weights_only=True)

    def model(self, epoch: int) -> UNet:
        """Return the model after an epoch."""
        model = build_model(self.training.model, base_channels=self.training.base_channels)
        model.load_state_dict(self.weights(epoch))
        return model


def find_trained(training: Training, places: Sequence[Path]) -> Trained | None:
    """Return the first run of a training in ``places`` or the folders in them; None for none."""
    for place in places:
        for folder in filter(has_run, folders(place)):
            checkpoint = Checkpoint.load(folder / "checkpoint.pt")
            if training.is_same(dict(checkpoint.settings)):
                return Trained(training, folder, checkpoint)
    return None


def folders(place: Path) -> list[Path]:
    """Return where a run may be: a folder itself, and those in it."""
    return [place, *sorted(path for path in place.glob("*") if path.is_dir())]


def has_run(folder: Path) -> bool:
    """Tell whether a folder holds a run of ``train.py``."""
    return (folder / "checkpoint.pt").exists()


def check_results(training: Training, results: Path) -> None:
    """Raise a ValueError where the results have another training of this name."""
    path = results / f"{training.name}.training.json"
    if not path.exists():
        return
    with reading(path):
        theirs = json.loads(path.read_text(encoding="utf-8"))
    for name, value in asdict(training).items():
        if theirs.get(name) != value:
            raise ValueError(
                f"{path} is of a training with {name.replace('_', ' ')} {theirs.get(name)}, "
                f"expected {value}. Give another --results or --out."
            )


def train_one(
    training: Training,
    data: Nuclei,
    folder: Path,
    device: str,
    seconds: float = math.inf,
    saved: Callable[[], None] = lambda: None,
) -> bool:
    """Train to the end or for some time, from where a stopped training got to; tell if it ended.

    ``saved`` is called after every checkpoint.
    """
    settings = Settings(
        data_fingerprint=data.fingerprint,
        model=training.model,
        size=training.size,
        base_channels=training.base_channels,
        learning_rate=training.learning_rate,
        batch_size=BATCH,
        seed=training.seed,
        clusters=training.clusters,
        device=device,
        measure=False,
        precision=training.precision,
    )
    maker = GraphedRun if device == "cuda" else Run
    run = maker(settings, data, folder, keep_weights=True)
    note_environment(run)
    try:
        return train(run, training.epochs, 10, seconds=seconds, saved=saved)
    except KeyboardInterrupt:
        run.save()
        raise


def collect(trained: Trained, images: int, results: Path) -> None:
    """Copy what the figures need of a training: its metrics, and what it was."""
    epoch = trained.epoch
    lines = (trained.folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    if len(lines) < epoch + 2:
        raise RunError(
            f"{trained.folder / 'metrics.csv'} must have a row for each epoch from 0 to {epoch}, "
            f"where the checkpoint is, but has {len(lines) - 1}. Put the file back."
        )
    name = trained.training.name
    with replacing(results / f"{name}.metrics.csv") as part:
        part.write_text("\n".join(lines[: epoch + 2]) + "\n", encoding="utf-8")
    about = {
        **asdict(trained.training),
        "trained_epochs": epoch,
        "steps_per_epoch": steps_per_epoch(images),
    }
    with replacing(results / f"{name}.training.json") as part:
        part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
