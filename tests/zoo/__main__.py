"""Run the zoo: ``python -m tests.zoo``, or write its table: ``python -m tests.zoo table``."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from tests.zoo.header import header
from tests.zoo.library import LIBRARIES, entries_of
from tests.zoo.records import read, read_header
from tests.zoo.table import write_table
from tests.zoo.worker import Worker

RESULTS = Path("runs/zoo.jsonl")
app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def run(
    context: typer.Context,
    library: Annotated[str, typer.Option(help="One library only.")] = "",
    match: Annotated[str, typer.Option(help="Pattern of LIBRARY:NAME.")] = "*",
    analyze: Annotated[bool, typer.Option("--analyze", help="Also measure each model.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Only trace, and compare states.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Skip what OUT has.")] = False,
    out: Annotated[Path, typer.Option(help="JSON lines, one a model.")] = RESULTS,
) -> None:
    """Trace and check every model, and append one line each to OUT."""
    if context.invoked_subcommand is not None:
        return
    libraries = [library] if library else list(LIBRARIES)
    keys = [key for name in libraries for key in entries_of(name) if fnmatchcase(key, match)]
    done = set(read(out)) if resume else set()
    out.parent.mkdir(parents=True, exist_ok=True)
    worker = Worker(analyze=analyze, brief=brief)
    try:
        with out.open("a") as file:
            if read_header(out) != header():
                file.write(json.dumps(header()) + "\n")
            for key in tqdm([key for key in keys if key not in done], unit="model"):
                file.write(json.dumps(worker.examine(key), ensure_ascii=False) + "\n")
                file.flush()
    finally:
        worker.stop()


@app.command()
def table(
    results: Annotated[Path, typer.Option(help="What a run has written.")] = RESULTS,
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
) -> None:
    """Write docs/zoo_table.csv and docs/zoo_summary.txt anew."""
    write_table(results, docs)


@app.command()
def families() -> None:
    """Find the smallest model of each module of timm anew."""
    from tests.zoo.of_timm import find_smallest

    find_smallest()


if __name__ == "__main__":
    app()
