"""Objects that a spec names: ``package.module:name`` or ``path/file.py:name``."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from infoflow.interface import ArgumentError, InfoflowError


def find_attribute(place: str, name: str, spec: str) -> Any:
    """Return what a module or file calls ``name``; an ArgumentError shows the nearest names."""
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ArgumentError(f"{spec}: {place} has no {name!r}.{nearest_names(name, public)}")
    return getattr(module, name)


def call_factory(factory: Any, spec: str) -> Any:
    """Return what a factory makes; modules, and what cannot be called, are returned as they are."""
    if isinstance(factory, nn.Module) or not callable(factory):
        return factory
    try:
        return factory()
    except InfoflowError:
        raise
    except Exception as error:
        raise ArgumentError(
            f"{spec}() failed with {type(error).__name__}: {error}. Expected a function that can "
            "be called without arguments."
        ) from error


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the names like ``name``, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.3)
    return f" The nearest names are {', '.join(near)}." if near else ""


def _import_module(name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ArgumentError(
            f"Cannot import {name!r}: {type(error).__name__}: {error}. Expected a module on the "
            "Python path; a file is given as path/file.py:factory."
        ) from error
    finally:
        sys.path.pop(0)


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Expected path/file.py:factory.")
    name = f"_infoflow_{path.stem}"  # its own name could hide a module of the same one
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a path that ends in .py has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ArgumentError(
            f"{path} cannot be imported: {type(error).__name__}: {error}. Run it with python to "
            "see the whole error."
        ) from error
    finally:
        sys.path.pop(0)
    return module
