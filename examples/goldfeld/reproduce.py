"""The studies of Goldfeld et al. (2019), from trainings to a table of claims: the command."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import torch
import typer

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common

from compression.scales import make_scale
from compression.stages import STAGES, run_stages
from compression.work import Work

from infoflow import InfoflowError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with szt/, MNIST/ and goldfeld/.", envvar="INFOFLOW_DATA"),
    ] = None,
    scale: Annotated[str, typer.Option(help="full, cpu or smoke.")] = "cpu",
    stages: Annotated[
        str, typer.Option(help=f"Some of {','.join(STAGES)}; all where not given.")
    ] = "",
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Folder of the study.")] = None,
    results: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="What figures and claims are made from (OUT/results)."),
    ] = None,
    only: Annotated[
        str, typer.Option(help="Train and measure these nets alone, such as szt-tanh,szt-relu.")
    ] = "",
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop training and measuring after this long.")
    ] = math.inf,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in --out.")] = False,
) -> None:
    """Train the noisy nets, measure them, draw the figures and judge the claims."""
    mpl.use("Agg")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        chosen = parse_names(stages, "stages", STAGES) or STAGES
        kind = make_scale(scale)
        names = [training.name for training in kind.trainings]
        folder = out or Path("runs") / f"goldfeld-{scale}"
        if (folder / "scale.json").exists() and not (resume or stages):
            raise ValueError(
                f"{folder} has a study already; expected a new folder. Pass --resume to go on "
                "with it, name the --stages to run, or give another --out."
            )
        work = Work(
            kind,
            folder,
            results or folder / "results",
            data_dir,
            parse_names(only, "only", names),
            time.monotonic() + 60 * minutes,
        )
        run_stages(work, chosen)
    except KeyboardInterrupt:
        typer.echo("\nStopped. Go on with the same command and --resume.", err=True)
        raise typer.Exit(130) from None
    except (InfoflowError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def parse_names(text: str, option: str, known: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a comma-separated list, which must be known ones."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{option} must be among {', '.join(known)}, got {', '.join(unknown)}.")
    return names


if __name__ == "__main__":
    app()
