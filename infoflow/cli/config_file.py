"""What is the same every time: ``infoflow.toml``, or ``[tool.infoflow]`` of ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import did_you_mean, shown

_OWN, _PROJECT = "infoflow.toml", "pyproject.toml"
#: What must be said each time.
_NEVER = frozenset({"help", "overwrite", "out"})

#: For each command, the parameter of click by each word for it in a file.
Words = Mapping[str, Mapping[str, Any]]


def settings_of(path: Path | None, words: Words) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the name of the file, and the settings of each command by the name of a parameter.

    Parameters
    ----------
    path
        What ``--config`` names; None looks into the current folder.
    words
        What the commands take.

    Raises
    ------
    ArgumentError
        If there is no such file, it is no TOML, or holds words that no command takes.
    """
    source = path or _found()
    if source is None:
        return "", {}
    table = _read(source)
    found: dict[str, dict[str, Any]] = {name: {} for name in words}
    for word, value in table.items():
        if isinstance(value, dict):
            if word not in words:
                raise ArgumentError(
                    f"{source} has settings of {word!r}, which is no command."
                    f"{did_you_mean(word, words)} Expected one of {', '.join(words)}."
                )
            continue
        takers = [name for name in words if _plain(word) in words[name]]
        if not takers:
            raise _unknown(source, word, {one for known in words.values() for one in known})
        for name in takers:
            parameter = words[name][_plain(word)]
            found[name][parameter.name] = _value(source, word, value, parameter.multiple)
    for name in words:  # those of a command count more than those of all
        for word, value in table.get(name, {}).items():
            if _plain(word) not in words[name]:
                raise _unknown(source, f"{name}.{word}", words[name])
            parameter = words[name][_plain(word)]
            found[name][parameter.name] = _value(source, word, value, parameter.multiple)
    return str(source), found


def _found() -> Path | None:
    if Path(_OWN).is_file():
        return Path(_OWN)
    project = Path(_PROJECT)
    if not project.is_file():
        return None
    try:
        has_settings = "infoflow" in tomllib.loads(project.read_text("utf-8")).get("tool", {})
    except (ValueError, OSError):  # another tool's affair
        return None
    return project if has_settings else None


def _read(source: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(source.read_text("utf-8"))
    except OSError as error:
        raise ArgumentError(
            f"--config {source} cannot be read: {error.strerror or error}. Name a file of TOML."
        ) from error
    except ValueError as error:
        raise ArgumentError(
            f'{source} is no TOML: {error}. Write lines such as data = "loaders.py:held_out".'
        ) from error
    if source.name == _PROJECT:
        table = table.get("tool", {}).get("infoflow", {})
    if not isinstance(table, dict):
        raise ArgumentError(f"tool.infoflow in {source} must be a table, got {shown(table)}.")
    return table


def _plain(word: str) -> str:
    return word.replace("-", "_").lower()


def _value(source: Path, word: str, value: Any, is_repeated: bool) -> Any:
    """Return a value as it could be typed; several for options that may be given again.

    Numbers in a list are one value, such as a shape or a sweep of noises.
    """
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, (str, int, float)) for part in parts):
        raise ArgumentError(
            f"{word} in {source} must be a text, a number, true or false, or a list of these, got "
            f"{shown(value)}."
        )
    if isinstance(value, list) and not any(isinstance(part, str) for part in parts):
        parts = [",".join(map(str, parts))]
    if is_repeated:
        return parts
    return ",".join(map(str, parts)) if isinstance(value, list) else value


def _unknown(source: Path, word: str, known: Any) -> ArgumentError:
    names = sorted(name.replace("_", "-") for name in known)
    last = word.rpartition(".")[2]
    if _plain(last) in _NEVER - {"help"}:
        return ArgumentError(
            f"{source} sets {word!r}, which is not read from a file, so that no result is "
            f"overwritten by mistake. Remove it, and type --{last} with the command."
        )
    return ArgumentError(
        f"{source} sets {word!r}, which no command takes there.{did_you_mean(last, names)} Use the "
        f"long name of an option without its dashes, such as data or input-shape."
    )


def words_of(commands: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of commands by the words for them; see :data:`Words`."""
    return {
        name: {
            _plain(option.lstrip("-")): parameter
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--") or parameter.name == "model"
            if _plain(option.lstrip("-")) not in _NEVER
        }
        for name, command in commands.items()
    }
