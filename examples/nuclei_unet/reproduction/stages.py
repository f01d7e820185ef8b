"""The five stages, each of which does what is not done yet, and tells if the next can begin."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from checkpoint import Checkpoint, DivergedError
from common.files import replacing
from data import Nuclei, load_nuclei

from reproduction.costs import Cost, counted
from reproduction.cut import cut_skips
from reproduction.entropy import write_entropies
from reproduction.measure import How, make_targets, measure, measured_epochs
from reproduction.pictures import write_clusters, write_outputs
from reproduction.readouts import write_probes
from reproduction.scales import Scale, Training, is_control
from reproduction.training import (
    Trained,
    check_results,
    collect,
    find_trained,
    folders,
    has_run,
    train_one,
)

STAGES = ("data", "train", "measure", "figures", "claims")


@dataclass
class Work:
    """Where a study's files are, and what it is made of.

    Parameters
    ----------
    scale
        What to train.
    out
        Holds ``trained/``, ``measured/`` (an epoch a file), ``results/``, ``figures/`` and
        ``claims.json``.
    results
        What figures and claims are made from; by default ``out/results``.
    data_dir, cache_dir
        As in ``train.py``.
    trained
        More folders with trainings, which are read only.
    how
        How to measure, and on which device to train.
    only
        Measure these epochs alone, unless it is empty.
    seconds
        Stop training after this long, with a checkpoint.
    """

    scale: Scale
    out: Path
    results: Path
    data_dir: Path | None
    cache_dir: Path
    trained: tuple[Path, ...] = ()
    how: How = field(default_factory=How)
    only: tuple[int, ...] = ()
    seconds: float = math.inf

    @property
    def places(self) -> tuple[Path, ...]:
        """Where to look for trainings: what was given goes before what was made here."""
        return (*self.trained, self.out / "trained")

    def check(self) -> None:
        """Raise a ValueError where what is asked for cannot be, before hours are spent."""
        looks = {epoch for training in self.scale.trainings for epoch in training.looks()}
        odd = sorted(set(self.only) - looks)
        if odd:
            raise ValueError(
                f"epochs must be among those that are measured, {sorted(looks)}, got {odd}."
            )
        for place in self.trained:
            if not any(has_run(folder) for folder in folders(place)):
                raise ValueError(
                    f"{place} must hold a run of train.py, or folders with one each, but has no "
                    "checkpoint.pt. Give another --trained, or none to train here."
                )
            for folder in filter(has_run, folders(place)):
                Checkpoint.load(folder / "checkpoint.pt")

    @cached_property
    def _data(self) -> dict[tuple[int, int | None], Nuclei]:
        return {}

    def data(self, training: Training) -> Nuclei:
        """Return the images of a training, loaded once."""
        key = (training.size, training.images)
        if key not in self._data:
            self._data.clear()
            whole = load_nuclei(self.data_dir, size=training.size, cache_dir=self.cache_dir)
            self._data[key] = first_images(whole, training.images)
        return self._data[key]

    def found(self) -> list[Trained]:
        """Return the trainings that are there, finished or not, and say which are not."""
        pairs = [(t, find_trained(t, self.places)) for t in self.scale.trainings]
        for training, trained in pairs:
            if trained is None:
                print(f"  {training.name}: not trained yet, left out", flush=True)
        return [replace(trained, only=self.only) for _, trained in pairs if trained is not None]


def first_images(data: Nuclei, count: int | None) -> Nuclei:
    """Return the first ``count`` training images, and at most as many for validation."""
    if count is None:
        return data
    name = hashlib.sha256(f"{data.fingerprint} {count}".encode()).hexdigest()[:12]
    return replace(
        data,
        images=data.images[:count],
        masks=data.masks[:count],
        validation_images=data.validation_images[:count],
        validation_masks=data.validation_masks[:count],
        fingerprint=name,
    )


def run_stages(work: Work, stages: tuple[str, ...]) -> None:
    """Run stages in their order, and print what each costs."""
    work.check()
    for stage in STAGES:
        if stage in stages:
            if stage in ("train", "measure"):
                _note_scale(work)  # only now is the folder taken: what is refused leaves it free
            print(f"{stage} ...", flush=True)
            # figures and claims leave the results, of which the costs are a part, as they are
            is_result = stage in ("data", "train", "measure")
            with counted(stage, work.results / "costs.csv" if is_result else None) as cost:
                is_done = _DO[stage](work, cost)
            if not is_done:
                print("Go on with the same command and --resume.", flush=True)
                return


def get_data(work: Work, cost: Cost) -> bool:
    """Resize the images."""
    for size in sorted({training.size for training in work.scale.trainings}):
        data = load_nuclei(work.data_dir, size=size, cache_dir=work.cache_dir)
        print(f"  {size}×{size}: {len(data.images)} training images, ", end="")
        print(f"{len(data.validation_images)} validation images", flush=True)
    return True


def train_all(work: Work, cost: Cost) -> bool:
    """Train what is neither finished nor taken over, as long as there is time."""
    started = time.monotonic()
    for training in work.scale.trainings:
        given = find_trained(training, work.trained)
        if given is not None:
            state = f"epoch {given.epoch} of {training.epochs}"
            print(f"  {training.name}: taken over at {state}", flush=True)
            continue
        folder = work.out / "trained" / training.name
        found = find_trained(training, [folder])
        if found is None or not (found.is_finished and (folder / "weights.pt").exists()):
            print(f"  {training.name}: training", flush=True)
            left = work.seconds - (time.monotonic() - started)
            data = work.data(training)
            try:
                if not train_one(training, data, folder, work.how.device, left, cost.keep):
                    return False
            except DivergedError as error:  # what is there is measured, and the others go on
                print(f"  {training.name}: {error}", flush=True)
    return True


def measure_all(work: Work, cost: Cost) -> bool:
    """Measure every training at its kept epochs, and what the figures need besides."""
    found = work.found()
    for trained in found:
        check_results(trained.training, work.results)
    for trained in found:
        name = trained.training.name
        if not _is_current(trained, work.results):
            data = work.data(trained.training)
            parts = work.out / "measured" / name
            measure(trained, data, parts, work.results, work.how, cost.keep)
            _write_pictures(replace(trained, only=()), data, work.results)
            # written last: it says up to which epoch everything of this training is there
            collect(trained, len(data.images), work.results)
    for trained in found:
        if trained.training.is_main and trained.kept():
            whole = replace(trained, only=())  # the last epoch is what counts, whatever is measured
            _try_out(whole, work.data(trained.training), work.results, cost)
    return True


def _try_out(trained: Trained, data: Nuclei, results: Path, cost: Cost) -> None:
    """Cut the skips of a Model 1, read its layers out, and cluster the masks from other starts."""
    name = trained.training.name
    cut_skips(trained, data, results / f"{name}.cut.json")
    cost.keep()
    write_probes(trained, data, results / f"{name}.probes.nc")
    cost.keep()
    entropies = results / f"{name}.entropy.json"
    if trained.training.seed == 0 and not entropies.exists():
        write_entropies(trained.training, data, entropies)


def _is_current(trained: Trained, results: Path) -> bool:
    name = trained.training.name
    about = results / f"{name}.training.json"
    if not about.exists():
        return False
    done = json.loads(about.read_text(encoding="utf-8"))["trained_epochs"]
    return done == trained.epoch and set(trained.kept()) <= set(measured_epochs(results, name))


def _write_pictures(trained: Trained, data: Nuclei, results: Path) -> None:
    training = trained.training
    if training.seed or is_control(training.variant) or training.model > 3:
        return
    write_outputs(trained, data, results / f"{training.name}.outputs.npz")
    if training.model == 1:
        targets = make_targets(training, data, trained.checkpoint.labels)
        write_clusters(targets, data, results / f"{training.name}.clusters.npz")


def draw_figures(work: Work, cost: Cost) -> bool:
    """Draw all figures and their captions; made anew each time, from the results alone."""
    from reproduction.figures import draw_all, draw_rates

    draw = draw_rates if work.scale.compares_rates else draw_all
    draw(work.results, work.out / "figures")
    return True


def judge_claims(work: Work, cost: Cost) -> bool:
    """Write the claims as JSON and as tables; made anew each time, from the results alone."""
    from reproduction.rate_tables import write_rates
    from reproduction.tables import write_claims

    write = write_rates if work.scale.compares_rates else write_claims
    write(work.results, work.out)
    return True


def _note_scale(work: Work) -> None:
    """Write which scale a folder is of; a ValueError where it is of another one."""
    path = work.out / "scale.json"
    mine = [asdict(training) for training in work.scale.trainings]
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if theirs["name"] != work.scale.name:
            raise ValueError(
                f"{work.out} is of scale {theirs['name']}, expected {work.scale.name}. Give the "
                "same --scale, or another --out."
            )
        others = (each for each in theirs["trainings"] if each not in mine)
        other = next((each for each in others if _is_begun(work, each)), None)
        if other is not None:
            raise ValueError(
                f"{work.out} has a training of {_in_words(other)}, which this command has not. "
                "Give the same --precision and at least as many --seeds, or another --out."
            )
    with replacing(path) as part:
        content = {"name": work.scale.name, "trainings": mine}
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _is_begun(work: Work, training: dict[str, Any]) -> bool:
    name = Training(**training).name
    places = work.out / "trained" / name, work.results / f"{name}.training.json"
    return any(place.exists() for place in places)


def _in_words(training: dict[str, object]) -> str:
    names = ("variant", "model", "seed", "precision")
    return ", ".join(f"{name} {training.get(name, '-')}" for name in names)


_DO: dict[str, Callable[[Work, Cost], bool]] = {
    "data": get_data,
    "train": train_all,
    "measure": measure_all,
    "figures": draw_figures,
    "claims": judge_claims,
}
