"""What every command is registered with, and how all of them print."""

from __future__ import annotations

import json
from typing import Any

import typer

app = typer.Typer(
    help="How many bits each layer of a net keeps, and which skip connections it needs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_as_asked(value: Any, as_json: bool) -> None:
    """Print what has ``__str__`` and ``to_dict`` in the form that was asked for."""
    print(json.dumps(value.to_dict(), indent=2, ensure_ascii=False) if as_json else value)
