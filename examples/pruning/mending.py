"""What removing single streams costs as they are, and mended by each mender, in the task's metric.

Usage: python examples/pruning/mending.py resnet --data-dir DATA --out runs/resnet
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import typer
from run import trained
from tasks import make_task

import infoflow
from infoflow.pruning.choice import streams_of

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
MENDERS = (None, "reader", "cascade")


@app.command()
def main(
    name: Annotated[str, typer.Argument(help="nuclei, resnet or densenet")],
    data_dir: Annotated[Path, typer.Option(help="folder with the data sets")] = Path("data"),
    out: Annotated[Path, typer.Option(help="folder for weights and numbers")] = Path("runs"),
    streams: Annotated[list[str] | None, typer.Option(help="one set of streams; else each")] = None,
    samples: Annotated[int, typer.Option(help="training images that mend")] = 512,
    seed: int = 0,
) -> None:
    """Remove streams, mend in each way, and write what that costs on held-out samples."""
    out.mkdir(parents=True, exist_ok=True)
    task = make_task(name, data_dir, out)
    model = trained(task, seed, out / f"{name}{seed}.pt")
    graph = infoflow.trace(model, task.images[:2])
    sets = [streams] if streams else [[stream.name] for stream in streams_of(graph)]
    whole = task.metric(model)
    rows = []
    for names in sets:
        for mender in MENDERS:
            loader = None if mender is None else list(task.images[:samples].split(64))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", infoflow.PruningWarning)
                    slim = infoflow.prune(
                        model, names, task.images[:2], mend=mender, calibrate=loader, seed=seed
                    )
            except infoflow.PruningError:
                break  # the only way to the output
            lost = whole - task.metric(slim)
            rows.append({"streams": names, "mender": mender or "plain", "metric lost": lost})
            print(f"{' '.join(names):60s} {mender or 'plain':8s} {100 * lost:7.2f} points")
    (out / f"{name}{seed}_mending.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    app()
