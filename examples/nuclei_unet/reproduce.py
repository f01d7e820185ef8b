"""The study of Lee and Bajić (2021), from images to a table of its claims: the command."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import typer

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common

from options import CACHE, CacheDir, DataDir, Device, MemoryBudget, TrainingPrecision
from precision import Precision
from reproduction.measure import How
from reproduction.scales import make_scale
from reproduction.stages import STAGES, Work, run_stages
from run import make_repeatable

from infoflow import InfoflowError
from infoflow.graph.running.undisturbed import check_device

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data_dir: DataDir = None,
    cache_dir: CacheDir = CACHE,
    scale: Annotated[str, typer.Option(help="full, cpu or smoke.")] = "cpu",
    seeds: Annotated[
        int | None, typer.Option(help="Of the variant that is trained several times.")
    ] = None,
    stages: Annotated[
        str, typer.Option(help=f"Some of {','.join(STAGES)}; all where not given.")
    ] = "",
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Folder of the study.")] = None,
    results: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="What figures and claims are made from (OUT/results)."),
    ] = None,
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
    resume: Annotated[bool, typer.Option("--resume", help="Go on in --out.")] = False,
) -> None:
    """Train the paper's four models, measure them, draw its figures and judge its claims."""
    mpl.use("Agg")
    try:
        chosen = parse_stages(stages)
        folder = out or Path("runs") / f"reproduction-{scale}"
        if (folder / "scale.json").exists() and not (resume or stages):
            raise ValueError(
                f"{folder} has a study already; expected a new folder. Pass --resume to go on "
                "with it, name the --stages to run, or give another --out."
            )
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
    except KeyboardInterrupt:
        typer.echo("\nStopped. Go on with the same command and --resume.", err=True)
        raise typer.Exit(130) from None
    except (InfoflowError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def parse_epochs(text: str) -> tuple[int, ...]:
    """Return the numbers of a comma-separated list."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong:
        raise ValueError(f"epochs must be whole numbers such as 0,1,10, got {wrong[0]!r}.")
    return tuple(map(int, parts))


def parse_stages(text: str) -> tuple[str, ...]:
    """Return the stages that a comma-separated list names; all for an empty one."""
    names = tuple(name.strip() for name in text.split(",") if name.strip()) or STAGES
    unknown = sorted(set(names) - set(STAGES))
    if unknown:
        raise ValueError(f"stages must be among {', '.join(STAGES)}, got {', '.join(unknown)}.")
    return names


if __name__ == "__main__":
    app()
