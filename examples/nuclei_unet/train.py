"""Train a U-Net of Lee and Bajić (2021) on nuclei and measure it: the command."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common

from data import load_nuclei
from metrics import Row
from models import ORIGINAL, SKIPS, model_number
from options import CACHE, CacheDir, DataDir, Device, MemoryBudget, TrainingPrecision
from precision import Precision
from run import Run, Settings, environment, make_repeatable

from infoflow import InfoflowError
from infoflow.graph.running.undisturbed import check_device


class ModelName(Enum):
    """What ``--model`` takes."""

    ONE, TWO, THREE, FOUR = (str(number) for number in SKIPS)
    ORIGINAL = ORIGINAL


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data_dir: DataDir = None,
    cache_dir: CacheDir = CACHE,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the run.")] = Path(
        "runs/nuclei"
    ),
    model: Annotated[
        ModelName, typer.Option(help="The paper's Model 1 to 4, or the U-Net of 2015.")
    ] = ModelName.ONE,
    size: Annotated[int, typer.Option(help="Side of the images, in pixels.")] = 128,
    base_channels: Annotated[int, typer.Option(min=1)] = 16,
    learning_rate: Annotated[float, typer.Option(min=0)] = 0.001,
    epochs: Annotated[int, typer.Option(min=0)] = 10_000,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    clusters: Annotated[int, typer.Option(min=2, help="K-means clusters of the masks: Y.")] = 64,
    noise_variance: Annotated[float, typer.Option(help="Of the KDE's noise.")] = 1.0,
    device: Device = "cpu",
    precision: TrainingPrecision = Precision.FLOAT32,
    memory_budget: MemoryBudget = "2GB",
    checkpoint_every: Annotated[int, typer.Option(min=1, help="In epochs.")] = 10,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Of each measured epoch, in --out/weights.")
    ] = False,
    measure: Annotated[
        bool, typer.Option(help="Measure on the paper's schedule while training.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --out.")] = False,
) -> None:
    """Train one model by the authors' recipe and measure it on the paper's schedule."""
    run = None
    try:
        kind = check_device(device).type
        refuse_used(out, resume=resume)
        make_repeatable(kind)
        data = load_nuclei(
            data_dir,
            size=size,
            cache_dir=cache_dir,
            with_instances=model is ModelName.ORIGINAL,
        )
        settings = Settings(
            data_fingerprint=data.fingerprint,
            model=model_number(model.value),
            size=size,
            base_channels=base_channels,
            learning_rate=learning_rate,
            batch_size=batch_size,
            seed=seed,
            clusters=clusters,
            noise_variance=noise_variance,
            device=kind,
            measure=measure,
            precision=precision.value,
        )
        run = Run(settings, data, out, memory_budget=memory_budget, keep_weights=keep_weights)
        announce(run)
        train(run, epochs, checkpoint_every)
    except KeyboardInterrupt:
        stop(run)
    except (InfoflowError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def refuse_used(out: Path, *, resume: bool) -> None:
    """Raise a ValueError where ``out`` has a run that the caller did not ask to go on with."""
    if (out / "checkpoint.pt").exists() and not resume:
        raise ValueError(
            f"{out} already has a run with a checkpoint; expected a new folder. Pass --resume to "
            "go on with it, or another --out."
        )


def announce(run: Run) -> None:
    """Tell what is about to be trained, and what may differ from before."""
    labels, images = run.labels, len(run.training[0])
    typer.echo(
        f"Model {run.settings.model} after {run.epoch} epochs, {images} training and "
        f"{len(run.validation[0])} validation images. Y: {labels.description}, H(Y) "
        f"{labels.entropy / math.log(2):.2f} bits, {labels.singleton_classes} with one image."
    )
    note_environment(run)


def note_environment(run: Run) -> None:
    """Tell where a run goes on elsewhere than it was begun."""
    before, now = run.checkpoint.environment, environment(run.settings)
    if before != now:
        typer.echo(f"Note: begun with {before}, now {now}: the numbers will differ.", err=True)


def train(
    run: Run,
    epochs: int,
    checkpoint_every: int,
    *,
    seconds: float = math.inf,
    saved: Callable[[], None] = lambda: None,
) -> bool:
    """Go on to ``epochs``, with a checkpoint now and then and at the end.

    Stops after ``seconds``, with a checkpoint; tells whether all epochs are done. ``saved`` is
    called after the checkpoints on the way.
    """
    started = time.monotonic()
    if run.epoch > epochs:
        raise ValueError(
            f"The run is at epoch {run.epoch} already, expected --epochs of at least that, got "
            f"{epochs}. Raise --epochs."
        )
    with tqdm(initial=run.epoch, total=epochs, unit="epoch", disable=None) as bar:
        if run.epoch == 0:
            bar.write(describe(run, run.begin()))
        while run.epoch < epochs:
            row = run.advance()
            if row.epoch % checkpoint_every == 0:
                run.save()
                saved()
            bar.update()
            bar.set_postfix(loss=row.training_loss, dice=row.validation_dice)
            if row.training_dice is not None:
                bar.write(describe(run, row))
            if time.monotonic() - started > seconds:
                break
    if run.epoch < epochs:
        run.save()
        typer.echo(f"  time is up at epoch {run.epoch} of {epochs}; {pace(run)}")
        return False
    summarise(run, *run.finish())
    return True


def stop(run: Run | None) -> None:
    """Save the last whole epoch, tell how to go on, and exit as an interrupted program does."""
    if run is not None:
        run.save()
    where = "before the first epoch" if run is None else f"after epoch {run.epoch}"
    command = [*sys.argv, *(() if "--resume" in sys.argv else ("--resume",))]
    typer.echo(f"\nStopped {where}. Go on with:\n  python {shlex.join(command)}", err=True)
    raise typer.Exit(130)


def describe(run: Run, row: Row) -> str:
    """Return a measured epoch as a line."""
    trained = (
        "untrained"
        if row.training_loss is None
        else f"loss {row.training_loss:.4f}, {run.clock.training[-1]:.2f} s"
    )
    return (
        f"epoch {row.epoch}: {trained}; Dice {row.training_dice:.3f} training, "
        f"{row.validation_dice:.3f} validation"
        + (f"; {run.clock.measuring[-1]:.2f} s of measuring" if run.settings.measure else "")
    )


def summarise(run: Run, training: float, validation: float) -> None:
    """Print where the run ended, and what it cost."""
    typer.echo(
        f"Done: {run.epoch} epochs, Dice {training:.3f} training, {validation:.3f} validation; "
        f"{mean(run.clock.training)} s an epoch, {mean(run.clock.measuring)} s a measurement. "
        f"Results in {run.folder}."
    )


def pace(run: Run) -> str:
    """Return how long an epoch takes, and how many go into ten minutes."""
    epoch = fmean(run.clock.training[1:] or run.clock.training)
    return f"{epoch:.3g} s an epoch, {600 / epoch:,.0f} epochs in ten minutes"


def mean(seconds: list[float]) -> str:
    """Return the mean as text; a dash where there is none."""
    return f"{sum(seconds) / len(seconds):.2f}" if seconds else "-"


if __name__ == "__main__":
    app()
