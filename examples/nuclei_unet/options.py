"""The options that the commands of this example share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from precision import Precision

CACHE = Path("runs/nuclei_cache")

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder with stage1_train(.zip).", envvar="INFOFLOW_DATA"),
]
CacheDir = Annotated[Path, typer.Option(file_okay=False, help="Where the resized images are kept.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
TrainingPrecision = Annotated[
    Precision, typer.Option(help="Of the training's convolutions; bfloat16 for CPUs that have it.")
]
MemoryBudget = Annotated[str, typer.Option(help="For the measurements.")]
