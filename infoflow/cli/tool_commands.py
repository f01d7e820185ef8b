"""``infoflow report``, ``compare``, ``demo``, ``validate`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infoflow.cli.commands import command, print_as_asked
from infoflow.cli.option_sets import Output
from infoflow.cli.options import AsJson, Overwrite, Seed


@command("report")
def report_command(
    files: Annotated[
        list[Path], typer.Argument(help="Saved results (.nc) of one net.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The page (.html).")] = Path("report.html"),
    title: Annotated[
        str | None, typer.Option(help="Title of the page; by default the name of the model.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also replace a file that is no report.")
    ] = False,
) -> None:
    """Write one self-contained page about saved results: conclusion, figures, tables, numbers."""
    from infoflow.cli.reporting import write_report

    print(f"Wrote {write_report(files, out, title=title, overwrite=overwrite)}")


@command("compare")
def compare_command(
    first: Annotated[Path, typer.Argument(help="A saved result (.nc).", show_default=False)],
    second: Annotated[
        Path, typer.Argument(help="Another result of this kind.", show_default=False)
    ],
    output: Output,
) -> None:
    """Print how SECOND differs from FIRST: the graph, and numbers with intervals."""
    from infoflow.cli.compare_command import compare_files

    output.check()
    found = compare_files(first, second)
    output.save(found)
    output.print(found)


@command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figures and the result.")] = Path(
        "infoflow-demo"
    ),
    epochs: Annotated[int, typer.Option(help="Epochs to train.", min=1)] = 24,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a small U-Net on made-up images, and say which of its skips can go, at what price."""
    from infoflow.cli.demo import run_demo

    run_demo(out, epochs=epochs, seed=seed, overwrite=overwrite, as_json=as_json)


@command()
def validate(
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Run every estimator over known truth; exit with 1 if one misses a truth that it claims."""
    from infoflow.validation import validate as run_over_known_truth

    table = run_over_known_truth(seed=seed)
    print_as_asked(table, as_json)
    if table.outside:
        raise typer.Exit(1)


@command()
def doctor(as_json: AsJson = False) -> None:
    """Print versions, devices, threads and settings; exit with 1 if something does not work."""
    from infoflow.cli.doctor_looks import examine

    setup = examine()
    print_as_asked(setup, as_json)
    if setup.problems:
        raise typer.Exit(1)
