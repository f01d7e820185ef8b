"""The command ``infoflow``: its version, its errors, and its exit codes."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

import infoflow
from infoflow.cli import net_commands, stream_commands, tool_commands
from infoflow.cli.commands import app
from infoflow.cli.config_file import settings_of, words_of
from infoflow.interface import InfoflowError, InfoflowWarning
from infoflow.interface.errors import OUT_OF_MEMORY, is_out_of_memory

__all__ = ["app", "main", "net_commands", "stream_commands", "tool_commands"]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"infoflow {infoflow.__version__}")
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings that are the same every time (TOML); else infoflow.toml of this folder, "
            "or tool.infoflow of its pyproject.toml."
        ),
    ] = None,
) -> None:
    """How many bits each layer of a net keeps, and which skip connections it needs."""
    commands: Any = context.command
    source, settings = settings_of(config, words_of(commands.commands))
    mine = settings.get(context.invoked_subcommand or "", {})
    if mine:
        words = ", ".join(mine).replace("_", "-")
        print(f"Note: {source} sets {words}, where they are not typed.", file=sys.stderr)
    context.default_map = settings


def main() -> None:
    """Run the command; exit with 0 when done, 2 on wrong use, 1 on anything else.

    A full memory is anything else, and is told in a sentence.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # arrows and bars, where these cannot be written
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", InfoflowWarning)
    try:
        app(prog_name="infoflow")
    except InfoflowError as error:
        print("Error:", as_command(" ".join(str(error).split())), file=sys.stderr)
        sys.exit(1 if is_out_of_memory(error.__cause__) else 2)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(f"Error: {' '.join(str(error).split())} {OUT_OF_MEMORY}", file=sys.stderr)
        sys.exit(1)


def as_command(text: str) -> str:
    """Name a command where a sentence names the call in Python that does the same."""
    return text.replace("print(infoflow.trace(model, example))", "infoflow graph MODEL")


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"{category.__name__}: {message}", file=sys.stderr)
