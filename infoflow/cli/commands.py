"""What every command is registered with, and how all of them print."""

from __future__ import annotations

import json
from typing import Any

import typer

from infoflow.interface import ArgumentError

app = typer.Typer(
    help="How many bits each layer of a net keeps, and which skip connections it needs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_as_asked(value: Any, as_json: bool, as_csv: bool = False) -> None:
    """Print what has ``__str__`` and ``to_dict`` in the form that was asked for.

    CSV has the rows of ``to_frame``.
    """
    check_form(as_json, as_csv)
    if as_csv:
        print(value.to_frame().to_csv(index=False), end="")
    else:
        print(json.dumps(value.to_dict(), indent=2, ensure_ascii=False) if as_json else value)


def check_form(as_json: bool, as_csv: bool) -> None:
    """Raise an ArgumentError, before any work is done, where two forms are asked for."""
    if as_json and as_csv:
        raise ArgumentError("--json and --csv exclude each other. Choose one.")


def typed(context: typer.Context, *names: str) -> list[str]:
    """Return which parameters of a command were typed, and not set by a file or left out."""
    sources = {name: context.get_parameter_source(name) for name in names}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
