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

from common.command import (
    Out,
    Results,
    Resume,
    Scale,
    errors_told,
    parse_names,
    stages_option,
    study_folder,
)
from compression.scales import make_scale
from compression.stages import STAGES, run_stages
from compression.work import Work

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with szt/, MNIST/ and goldfeld/.", envvar="INFOFLOW_DATA"),
    ] = None,
    scale: Scale = "cpu",
    stages: Annotated[str, stages_option(STAGES)] = "",
    out: Out = None,
    results: Results = None,
    only: Annotated[
        str, typer.Option(help="Train and measure these nets alone, such as szt-tanh,szt-relu.")
    ] = "",
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop training and measuring after this long.")
    ] = math.inf,
    resume: Resume = False,
) -> None:
    """Train the noisy nets, measure them, draw the figures and judge the claims."""
    mpl.use("Agg")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with errors_told():
        chosen = parse_names(stages, "stages", STAGES) or STAGES
        kind = make_scale(scale)
        names = [training.name for training in kind.trainings]
        folder = study_folder(out, f"goldfeld-{scale}", may_exist=resume or bool(stages))
        work = Work(
            kind,
            folder,
            results or folder / "results",
            data_dir,
            parse_names(only, "only", names),
            time.monotonic() + 60 * minutes,
        )
        run_stages(work, chosen)


if __name__ == "__main__":
    app()
