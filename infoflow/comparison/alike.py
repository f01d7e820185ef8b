"""Whether numbers of two results mean the same."""

from __future__ import annotations

from infoflow.interface import ArgumentError


def check_same(what: str, first: object, second: object, hint: str) -> None:
    """Raise an ArgumentError where two results are not measured alike."""
    if first != second:
        raise ArgumentError(
            f"Numbers are compared only where their {what} is the same, got {first} and {second}. "
            f"{hint}"
        )
