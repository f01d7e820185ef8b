"""Libraries that infoflow works with and does not need."""

from __future__ import annotations

import importlib
from types import ModuleType

from infoflow.interface import InfoflowError


class MissingExtraError(InfoflowError, ImportError):
    """A library that an integration is for is not installed."""


def needed(module: str, extra: str, library: str) -> ModuleType:
    """Return a module of another library; the error names the command that installs it.

    Examples
    --------
    >>> needed("no_such_library", "hf", "Transformers")
    Traceback (most recent call last):
    infoflow.integrations.extras.MissingExtraError: Transformers is not installed \
(No module named 'no_such_library'). Install it with: pip install 'infoflow[hf]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{library} is not installed ({error}). Install it with: pip install "
            f"'infoflow[{extra}]'"
        ) from error
