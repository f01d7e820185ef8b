"""The evidence study of pruning advice: fetch, train, measure, report.

Usage: python examples/pruning/study.py train --net resnet --seed 0 --data-dir DATA
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer
from evidence import packages as pretrained
from evidence.catalog import ENTRIES, find_entry
from evidence.criteria import criteria_rows
from evidence.entry import Entry, Places
from evidence.measuring import (
    measure_advised,
    measure_mended,
    measure_plain,
    measure_tuned,
    prepare,
)
from evidence.ranking import Summary
from evidence.redesign import measure_redesign
from evidence.summary import summary
from evidence.tables import (
    Row,
    cost_rows,
    net_rows,
    ranking_rows,
    read_summaries,
    stream_rows,
    verdict_rows,
    write_rows,
)
from evidence.training import train as train_net
from evidence.training import write_json

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Net = Enum("Net", {entry.name: entry.name for entry in ENTRIES})  # type: ignore[misc]
Nets = Annotated[list[Net], typer.Option("--net", help="Which net; several one after another.")]
Seeds = Annotated[
    list[int] | None, typer.Option("--seed", min=0, help="Of weights, order and split; 0.")
]
DataDir = Annotated[
    Path | None, typer.Option(envvar="INFOFLOW_DATA", help="Folder of MNIST and nuclei.")
]
Out = Annotated[Path, typer.Option(help="Folder of all runs.")]
Packages = Annotated[Path, typer.Option(help="Where fetch put the pretrained nets.")]
IsSmoke = Annotated[
    bool, typer.Option("--smoke", help="A few samples, one epoch: runs every line in seconds.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")]
#: The summaries that the docs show.
RESULTS = Path(__file__).parent / "results"
TABLES: dict[str, Callable[[list[Summary]], list[Row]]] = {
    "nets": net_rows,
    "criteria": criteria_rows,
    "verdicts": verdict_rows,
    "streams": stream_rows,
    "rankings": ranking_rows,
    "costs": cost_rows,
}
OUT, PACKAGES = Path("runs/study"), Path("runs/packages")


@app.command()
def fetch(packages: Packages = PACKAGES) -> None:
    """Install the packages that hold pretrained nets into a folder of their own."""
    pretrained.fetch(packages)


@app.command()
def train(
    nets: Nets,
    seeds: Seeds = None,
    data_dir: DataDir = None,
    out: Out = OUT,
    packages: Packages = PACKAGES,
    is_smoke: IsSmoke = False,
    resume: Resume = False,
) -> None:
    """Train nets, and say how well they do; of pretrained ones only say how well they do."""
    places = Places(data_dir, packages, out / "cache")
    with sentences():
        for entry, seed, folder in jobs(nets, seeds, out, is_smoke):
            train_net(entry, seed, places, folder, resume=resume, say=typer.echo)


class Stage(Enum):
    """What is measured; each is kept, and is not measured again."""

    PLAIN = "plain"
    ADVISED = "advised"
    MENDED = "mended"
    TUNED = "tuned"
    REDESIGN = "redesign"


STAGES = {
    Stage.PLAIN: measure_plain,
    Stage.ADVISED: measure_advised,
    Stage.MENDED: measure_mended,
    Stage.TUNED: measure_tuned,
    Stage.REDESIGN: measure_redesign,
}


@app.command()
def measure(
    nets: Nets,
    seeds: Seeds = None,
    stages: Annotated[list[Stage] | None, typer.Option("--stage", help="All but redesign.")] = None,
    data_dir: DataDir = None,
    out: Out = OUT,
    packages: Packages = PACKAGES,
    is_smoke: IsSmoke = False,
) -> None:
    """Measure trained nets without each of their streams; goes on where it was stopped."""
    places = Places(data_dir, packages, out / "cache")
    with sentences():
        for entry, seed, folder in jobs(nets, seeds, out, is_smoke):
            bench = prepare(entry, seed, places, folder)
            for stage in stages or [one for one in Stage if one is not Stage.REDESIGN]:
                STAGES[stage](bench, typer.echo)
            write_json(folder / "summary.json", summary(bench))


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Folder of summaries.")] = RESULTS,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("docs"),
) -> None:
    """Write the tables of the study from the summaries of its nets."""
    with sentences():
        summaries = read_summaries(results)
        for name, rows_of in TABLES.items():
            rows = rows_of(summaries)
            write_rows(out / f"evidence_{name}.csv", rows)
            typer.echo(f"evidence_{name}.csv: {len(rows)} rows")


@app.command()
def collect(out: Out = OUT, results: Path = RESULTS) -> None:
    """Copy the summaries of all runs to the folder that is committed."""
    results.mkdir(parents=True, exist_ok=True)
    for path in sorted(out.glob("*/summary.json")):
        shutil.copyfile(path, results / f"{path.parent.name}.json")


def jobs(
    nets: list[Net], seeds: list[int] | None, out: Path, is_smoke: bool
) -> Iterator[tuple[Entry, int, Path]]:
    """Yield nets, seeds and their folders; all computing is done by one thread."""
    torch.set_num_threads(1)
    for seed in seeds or [0]:
        for net in nets:
            entry = find_entry(str(net.value))
            yield entry.as_smoke() if is_smoke else entry, seed, out / f"{entry.name}_{seed}"


@contextmanager
def sentences() -> Iterator[None]:
    """End with a sentence where something is missing or does not fit."""
    try:
        yield
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
