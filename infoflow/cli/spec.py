"""What was typed: ``place:name``, or ``place:name(arguments)``."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from infoflow.interface import ArgumentError

_FORM = re.compile(r"(?P<place>.+?):(?P<name>[^:()]+)(?:\((?P<arguments>.*)\))?", re.DOTALL)


@dataclass(frozen=True)
class Spec:
    """A place, a name there, and what to call it with.

    Parameters
    ----------
    text
        What was typed, for messages.
    place
        A module, a file, or a library.
    name
        What is meant there.
    args, kwargs
        Arguments in parentheses: plain numbers, texts, lists and the like.
    """

    text: str
    place: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The spec without its arguments."""
        return f"{self.place}:{self.name}"


def parse_spec(text: str) -> Spec | None:
    """Return the parts of what was typed, None where it has another form.

    Examples
    --------
    >>> parse_spec("timm:resnet18(in_chans=1)").kwargs
    {'in_chans': 1}
    >>> parse_spec("resnet18") is None
    True
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    args, kwargs = _read_arguments(found["arguments"] or "", text)
    return Spec(text, found["place"], found["name"].strip(), args, kwargs)


def _read_arguments(arguments: str, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        # `f(1), g(2)` and `f()()` are no single call of f
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError(arguments)
        if any(keyword.arg is None for keyword in call.keywords):
            raise ValueError(arguments)
        args = tuple(map(ast.literal_eval, call.args))
        return args, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ArgumentError(
            f"The arguments of {text} must be plain values, as in (depth=4, channels=[16, 32], "
            f"norm='batch'), got ({arguments}). For anything else, write a function without "
            "arguments."
        ) from error
