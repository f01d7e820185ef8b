"""The evidence study of pruning advice: fetch, train, measure, report.

Usage: python examples/pruning/study.py train --net resnet --seed 0 --data-dir DATA
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer
from evidence import packages as pretrained
from evidence.catalog import ENTRIES, find_entry
from evidence.entry import Entry, Places
from evidence.training import train as train_net

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Net = Enum("Net", {entry.name: entry.name for entry in ENTRIES})  # type: ignore[misc]
NetName = Annotated[Net, typer.Option("--net", help="Which net.")]
Seed = Annotated[int, typer.Option(min=0, help="Of weights, order and split.")]
DataDir = Annotated[
    Path | None, typer.Option(envvar="INFOFLOW_DATA", help="Folder of MNIST and nuclei.")
]
Out = Annotated[Path, typer.Option(help="Folder of all runs.")]
Packages = Annotated[Path, typer.Option(help="Where fetch put the pretrained nets.")]
IsSmoke = Annotated[
    bool, typer.Option("--smoke", help="A few samples, one epoch: runs every line in seconds.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")]
OUT, PACKAGES = Path("runs/study"), Path("runs/packages")


@app.command()
def fetch(packages: Packages = PACKAGES) -> None:
    """Install the packages that hold pretrained nets into a folder of their own."""
    pretrained.fetch(packages)


@app.command()
def train(
    net: NetName,
    seed: Seed = 0,
    data_dir: DataDir = None,
    out: Out = OUT,
    packages: Packages = PACKAGES,
    is_smoke: IsSmoke = False,
    resume: Resume = False,
) -> None:
    """Train a net, and say how well it does; of pretrained ones only say how well they do."""
    torch.set_num_threads(1)
    entry = chosen(net, is_smoke)
    places = Places(data_dir, packages, out / "cache")
    try:
        train_net(entry, seed, places, out / f"{entry.name}_{seed}", resume=resume, say=typer.echo)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def chosen(net: Enum, is_smoke: bool) -> Entry:
    """Return the entry of a net, at full or smoke scale."""
    entry = find_entry(str(net.value))
    return entry.as_smoke() if is_smoke else entry


if __name__ == "__main__":
    app()
