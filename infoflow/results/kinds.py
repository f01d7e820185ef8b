"""The classes of results, by the kind that their files name."""

from __future__ import annotations

from typing import Any

from infoflow.interface import ArgumentError

#: The classes of results, by the kind that their files name.
CLASSES: dict[str, type[Any]] = {}


def register(cls: type[Any]) -> None:
    """Let :func:`load` read the kind of a class; a class that is defined anew takes its place."""
    known = CLASSES.get(cls.kind)
    is_ours = known is not None and known.__module__.startswith("infoflow.")
    if known is not None and is_ours and _home(known) != _home(cls):
        raise ArgumentError(
            f"The kind {cls.kind!r} of {_home(cls)} is that of {_home(known)} already. Give the "
            "class a kind of its own: kind = 'another name'."
        )
    CLASSES[cls.kind] = cls


def _home(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
