"""What every command is registered with, and how all of them print."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, get_type_hints

import typer

from infoflow.interface import ArgumentError

app = typer.Typer(
    help="How many bits each layer of a net keeps, and which skip connections it needs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Command = TypeVar("Command", bound=Callable[..., None])


def command(name: str | None = None) -> Callable[[Command], Command]:
    """Register a command; see :func:`spread` for what it may take."""

    def register(function: Command) -> Command:
        app.command(name)(spread(function))
        return function

    return register


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of its sets, which it takes as dataclasses, one by one.

    Examples
    --------
    >>> from infoflow.cli.option_sets import Tracing
    >>> def show(model: str, tracing: Tracing) -> None:
    ...     print(model, tracing.reduce)
    >>> flat = spread(show)
    >>> list(inspect.signature(flat).parameters)
    ['model', 'leaves', 'opened', 'reduce']
    >>> flat(model="net.py:make", leaves=None, opened=None, reduce="mean")
    net.py:make mean
    """
    hints = get_type_hints(function, include_extras=True)
    sets: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    options = [
        option
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        for option in _options_of(parameter, sets.get(parameter.name))
    ]

    @wraps(function)
    def flat(**given: Any) -> None:
        for name, kind in sets.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        function(**given)

    flat.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    flat.__annotations__ = {option.name: option.annotation for option in options}
    return flat


def _options_of(parameter: inspect.Parameter, kind: Any) -> list[inspect.Parameter]:
    """Return a parameter, or those of the set that it stands for, by keyword only."""
    if kind is None:
        return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]


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
