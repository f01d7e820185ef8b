"""The stages, each of which does what is not done yet, and tells whether the next can begin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict

from common.files import reading, replacing

from compression.figures import draw_all
from compression.measuring import measure_all
from compression.mnist_train import train_mnist
from compression.released import read_released, released_path
from compression.scales import SztTraining, Training
from compression.study import Study, load_study
from compression.szt_train import train_szt
from compression.tables import write_claims
from compression.work import Work

STAGES = ("train", "measure", "figures", "claims")


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
    images, digits = work.digits
    learn = images[: training.images], digits[: training.images]
    return train_mnist(training, learn, work.tested(training), folder, deadline=work.deadline)


def draw_figures(work: Work) -> bool:
    """Draw all figures; made anew each time, from the results alone."""
    draw_all(study_of(work), work.out / "figures")
    return True


def judge_claims(work: Work) -> bool:
    """Write the claims as JSON and as tables; made anew each time, from the results alone."""
    write_claims(study_of(work), work.out)
    return True


def study_of(work: Work) -> Study:
    """Return the results, with the authors' curve where it is at hand."""
    path = released_path(work.data_dir)
    return load_study(work.results, read_released(path) if path else {})


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


_DO: dict[str, Callable[[Work], bool]] = {
    "train": train_all,
    "measure": measure_all,
    "figures": draw_figures,
    "claims": judge_claims,
}
