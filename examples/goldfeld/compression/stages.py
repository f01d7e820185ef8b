"""The stages, each of which does what is not done yet, and tells whether the next can begin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from common.files import reading, replacing
from torch import Tensor

from compression.mnist_net import read_mnist
from compression.mnist_train import train_mnist
from compression.scales import MnistTraining, Scale, SztTraining, Training
from compression.szt_net import read_task
from compression.szt_train import train_szt

STAGES = ("train",)


@dataclass
class Work:
    """Where a study's files are, and what it is made of.

    Parameters
    ----------
    scale
        What to train, and how finely to measure it.
    out
        Holds ``trained/``, ``results/``, ``figures/`` and ``claims.json``.
    results
        What figures and claims are made from; by default ``out/results``.
    data_dir
        Holds ``szt/``, ``MNIST/`` and, for the comparison, ``goldfeld/``.
    only
        Names of the trainings to train and measure; empty for all.
    deadline
        Time of the monotonic clock after which training and measuring stop.
    """

    scale: Scale
    out: Path
    results: Path
    data_dir: Path | None
    only: tuple[str, ...]
    deadline: float

    @property
    def trainings(self) -> list[Training]:
        """Those that were asked for."""
        chosen = self.scale.trainings
        return [each for each in chosen if not self.only or each.name in self.only]

    def folder(self, training: Training) -> Path:
        """Return where a training is."""
        return self.out / "trained" / training.name

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    @cached_property
    def szt(self) -> tuple[Tensor, Tensor]:
        """The task of Shwartz-Ziv and Tishby."""
        return read_task(self.data_dir)

    @cached_property
    def digits(self) -> tuple[Tensor, Tensor]:
        """The training images of MNIST, and their digits."""
        return read_mnist(self.data_dir, train=True)

    @cached_property
    def test_digits(self) -> tuple[Tensor, Tensor]:
        """The test images of MNIST, and their digits."""
        return read_mnist(self.data_dir, train=False)


def run_stages(work: Work, stages: tuple[str, ...]) -> None:
    """Run the stages in their own order, up to one that could not end in time."""
    _note_scale(work)
    for stage in STAGES:
        if stage in stages:
            print(f"{stage}:", flush=True)
            if not _DO[stage](work):
                print("  time is up; go on with --resume", flush=True)
                return


def train_all(work: Work) -> bool:
    """Train what is not trained yet."""
    for training in work.trainings:
        started = time.monotonic()
        if not train_one(work, training):
            return False
        print(f"  {training.name}: {time.monotonic() - started:.0f} s", flush=True)
    return True


def train_one(work: Work, training: Training) -> bool:
    """Train one net, or several seeds side by side; tell whether it ended."""
    folder = work.folder(training)
    if isinstance(training, SztTraining):
        return train_szt(training, work.szt, folder, deadline=work.deadline)
    learn, test = _first(work.digits, training.images), test_images(work, training)
    return train_mnist(training, learn, test, folder, deadline=work.deadline)


def test_images(work: Work, training: MnistTraining) -> tuple[Tensor, Tensor]:
    """Return the test images that a training uses."""
    return _first(work.test_digits, training.test_images)


def _first(data: tuple[Tensor, Tensor], count: int) -> tuple[Tensor, Tensor]:
    return data[0][:count], data[1][:count]


def _note_scale(work: Work) -> None:
    """Write which scale a folder is of; a ValueError where it is of another one."""
    path = work.out / "scale.json"
    if path.exists():
        with reading(path):
            theirs = str(json.loads(path.read_text(encoding="utf-8"))["name"])
        if theirs != work.scale.name:
            raise ValueError(
                f"{work.out} is of scale {theirs}, expected {work.scale.name}. Give the same "
                "--scale, or another --out."
            )
    with replacing(path) as part:
        part.write_text(json.dumps(asdict(work.scale), indent=1) + "\n", encoding="utf-8")


_DO: dict[str, Callable[[Work], bool]] = {"train": train_all}
