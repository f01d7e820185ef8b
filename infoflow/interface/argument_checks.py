"""Plain arguments: numbers, choices, functions and paths, refused in one clear sentence."""

from __future__ import annotations

import difflib
import inspect
import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

from infoflow.interface.errors import (
    ArgumentError,
    ArgumentTypeError,
    InfoflowError,
    is_out_of_memory,
)

#: What takes the seeds of Python, NumPy, torch and scikit-learn alike.
LARGEST_SEED = 2**32 - 1


def whole_number(
    name: str, value: Any, *, least: int = 0, most: int | None = None, hint: str = ""
) -> int:
    """Return a whole number; one of NumPy or torch is taken, too, and a bool is not.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For a number below ``least`` or above ``most``, and for anything else.

    Examples
    --------
    >>> whole_number("folds", 5, least=2)
    5
    >>> whole_number("folds", 2.5, least=2)
    Traceback (most recent call last):
    infoflow.interface.errors.ArgumentError: folds must be a whole number of at least 2, got 2.5.
    """
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    message = f"{name} must be a whole number {limits}, got {shown(value)}.{_then(hint)}"
    try:
        number = operator.index(value)
    except TypeError as error:
        kind = ArgumentError if isinstance(value, Real) else ArgumentTypeError
        raise kind(message) from error
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        raise ArgumentError(message)
    return number


def seed_number(seed: Any, name: str = "seed") -> int:
    """Return a seed that every library takes."""
    return whole_number(name, seed, most=LARGEST_SEED)


def real_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    hint: str = "",
) -> float:
    """Return a finite number within limits; a bool, a text or a NaN is none.

    Examples
    --------
    >>> real_number("tolerance", "5%", above=0, below=1)
    Traceback (most recent call last):
    infoflow.interface.errors.ArgumentTypeError: tolerance must be a number above 0 and below 1, \
got '5%'.
    """
    limits = {"above": above, "of at least": least, "below": below, "of at most": most}
    said = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
    message = f"{name} must be a number{' ' * bool(said)}{said}, got {shown(value)}.{_then(hint)}"
    if not is_number(value):
        raise ArgumentTypeError(message)
    number = float(value)
    is_within = (above is None or number > above) and (least is None or number >= least)
    is_within = is_within and (below is None or number < below) and (most is None or number <= most)
    if not math.isfinite(number) or not is_within:
        raise ArgumentError(message)
    return number


def is_number(value: Any) -> bool:
    """Tell whether a value is a real number; a bool is none, nor is a NaN."""
    kinds: tuple[type, ...] = (bool,)
    return isinstance(value, Real) and not isinstance(value, kinds) and value == value


def one_of(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return ``value`` if it is one of ``choices``; the message asks for the nearest one.

    Examples
    --------
    >>> one_of("mode", "cutt", ("auto", "cut"))
    Traceback (most recent call last):
    infoflow.interface.errors.ArgumentError: mode must be 'auto' or 'cut', got 'cutt'. \
Did you mean 'cut'?
    """
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return value
    *first, last = [repr(choice) for choice in choices]
    listed = f"{', '.join(first)} or {last}"
    message = f"{name} must be {listed}, got {shown(value)}.{did_you_mean(value, choices)}"
    raise ArgumentError(message) if isinstance(value, str) else ArgumentTypeError(message)


def did_you_mean(value: Any, known: Iterable[Any]) -> str:
    """Return a question with the nearest known name, or nothing."""
    names = {name.lower(): name for name in known if isinstance(name, str)}
    text = value.lower() if isinstance(value, str) else ""
    near = difflib.get_close_matches(text, names, n=1) if text else []
    return f" Did you mean {names[near[0]]!r}?" if near else ""


def function_of(name: str, value: Any, arguments: int, example: str) -> Any:
    """Return a function if it can be called with so many arguments by place.

    Examples
    --------
    >>> function_of("evaluate", 0.5, 1, "evaluate(net)")
    Traceback (most recent call last):
    infoflow.interface.errors.ArgumentTypeError: evaluate must be a function, called as \
evaluate(net), got 0.5.
    """
    if not callable(value):
        raise ArgumentTypeError(
            f"{name} must be a function, called as {example}, got {shown(value)}."
        )
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # of what is written in C
        return value
    try:
        signature.bind(*[None] * arguments)
    except TypeError as error:
        raise ArgumentTypeError(
            f"{name} must be a function, called as {example}, got one that takes "
            f"({', '.join(signature.parameters)})."
        ) from error
    return value


def called(name: str, function: Any, *arguments: Any) -> Any:
    """Return what a caller's function gives; an ArgumentError where it fails."""
    try:
        return function(*arguments)
    except InfoflowError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        kinds = ", ".join(type(argument).__name__ for argument in arguments)
        raise ArgumentError(
            f"{name} failed on ({kinds}) with {type(error).__name__}: {error}. Check the function "
            "on one batch."
        ) from error


@contextmanager
def noted(*sentences: str) -> Iterator[None]:
    """Add sentences to what a caller's function raises; its type and traceback stay.

    Examples
    --------
    >>> try:
    ...     with noted("Raised by train.", ""):
    ...         raise KeyError("rate")
    ... except KeyError as error:
    ...     error.__notes__
    ['Raised by train.']
    """
    try:
        yield
    except Exception as error:
        for sentence in filter(None, sentences):
            error.add_note(sentence)
        raise


def file_path(name: str, value: Any) -> Path:
    """Return the path of a file; text, or what ``os.fspath`` takes."""
    try:
        text = os.fspath(value)
    except TypeError as error:
        raise ArgumentTypeError(
            f"{name} must be the path of a file, got {shown(value)}."
        ) from error
    if not isinstance(text, str) or not text or "\0" in text:
        raise ArgumentError(f"{name} must be the path of a file, got {shown(value)}.")
    return Path(text)


def is_flag(name: str, value: Any, *, or_none: bool = False) -> bool | None:
    """Return True, False or, where it is allowed, None."""
    if type(value).__name__ in ("bool", "bool_") or (or_none and value is None):
        return None if value is None else bool(value)
    words = "True, False or None" if or_none else "True or False"
    raise ArgumentTypeError(f"{name} must be {words}, got {shown(value)}.")


def shown(value: Any) -> str:
    """Return what a message shows of a value: itself where it is short, else its type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "shape") or not isinstance(value, (str, bytes, Real, type(None))):
        text = repr(value) if isinstance(value, (list, tuple, dict, set)) else ""
        return text if 0 < len(text) < 60 else f"a {type(value).__name__}"
    return shortened(repr(value))


def shortened(value: object) -> str:
    """Return a value as text of at most 80 characters."""
    text = str(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _then(hint: str) -> str:
    return f" {hint}" if hint else ""
