"""The study of Lee and Bajić (2021), from images to a table of its claims: the command."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import typer

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common

from common.command import (
    Out,
    Results,
    Resume,
    errors_told,
    parse_names,
    stages_option,
    study_folder,
)
from options import CACHE, CacheDir, DataDir, Device, MemoryBudget, TrainingPrecision
from precision import Precision
from reproduction.measure import How
from reproduction.scales import SCALES, make_scale
from reproduction.stages import STAGES, Work, run_stages
from run import make_repeatable

from infoflow.graph.running.undisturbed import check_device

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data_dir: DataDir = None,
    cache_dir: CacheDir = CACHE,
    scale: Annotated[str, typer.Option(help=f"One of {', '.join(SCALES)}.")] = "cpu",
    seeds: Annotated[
        int | None, typer.Option(help="Of the variant that is trained several times.")
    ] = None,
    stages: Annotated[str, stages_option(STAGES)] = "",
    out: Out = None,
    results: Results = None,
    trained: Annotated[
        list[Path] | None,
        typer.Option(
            file_okay=False, help="Folder with runs of train.py to take over; may be repeated."
        ),
    ] = None,
    device: Device = "cpu",
    precision: TrainingPrecision = Precision.FLOAT32,
    mode: Annotated[str, typer.Option(help="Distances: exact, or from a sketch.")] = "exact",
    memory_budget: MemoryBudget = "2GB",
    epochs: Annotated[str, typer.Option(help="Measure these alone, such as 0,1,10.")] = "",
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop training after this long; --resume goes on.")
    ] = math.inf,
    resume: Resume = False,
) -> None:
    """Train the paper's four models, measure them, draw its figures and judge its claims."""
    mpl.use("Agg")
    with errors_told():
        chosen = parse_names(stages, "stages", STAGES) or STAGES
        folder = study_folder(out, f"reproduction-{scale}", may_exist=resume or bool(stages))
        kind = check_device(device).type
        make_repeatable(kind)
        work = Work(
            make_scale(scale, seeds, precision),
            folder,
            results or folder / "results",
            data_dir,
            cache_dir,
            tuple(trained or ()),
            How(kind, mode, memory_budget),
            parse_epochs(epochs),
            60 * minutes,
        )
        run_stages(work, chosen)


def parse_epochs(text: str) -> tuple[int, ...]:
    """Return the numbers of a comma-separated list."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong:
        raise ValueError(f"epochs must be whole numbers such as 0,1,10, got {wrong[0]!r}.")
    return tuple(map(int, parts))


if __name__ == "__main__":
    app()
