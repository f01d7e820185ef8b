"""Objects that a spec names: ``package.module:name`` or ``path/file.py:name``."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import nn

from infoflow.cli.spec import Spec
from infoflow.interface import ArgumentError, InfoflowError


def find_attribute(spec: Spec) -> Any:
    """Return what a module or file calls a name; an ArgumentError shows the nearest names."""
    place, name = spec.place, spec.name
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ArgumentError(f"{spec.target}: {place} has no {name!r}.{nearest_names(name, public)}")
    return getattr(module, name)


def call_factory(factory: Any, spec: Spec) -> Any:
    """Return what a factory makes; modules, and what cannot be called, are returned as they are."""
    if isinstance(factory, nn.Module) or not callable(factory):
        if spec.args or spec.kwargs:
            raise ArgumentError(
                f"{spec.target} is a {type(factory).__name__}, which takes no arguments, got "
                f"{spec.text}. Leave the parentheses out."
            )
        return factory
    _check_arguments(factory, spec)
    try:
        return factory(*spec.args, **spec.kwargs)
    except InfoflowError:
        raise
    except (Exception, SystemExit) as error:
        called = spec.text if spec.text.endswith(")") else f"{spec.text}()"
        raise ArgumentError(
            f"{called} failed with {type(error).__name__}: {error}. Expected a call that returns a "
            "model, a loader or an array. Try it in Python, and pass its arguments in parentheses."
        ) from error


def _check_arguments(factory: Any, spec: Spec) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # of what is written in C
        return
    try:
        signature.bind(*spec.args, **spec.kwargs)
    except TypeError as error:
        needed = _needed(signature)
        takes = f"It needs {', '.join(needed)}." if needed else f"It takes {_names(signature)}."
        first = next(iter(needed or signature.parameters), "name")
        example = f"'{spec.target}({first}=...)'"
        raise ArgumentError(
            f"{spec.text} cannot be called: {error}. {takes} Give arguments as in {example}, or "
            "name a function that needs none."
        ) from error


def _needed(signature: inspect.Signature) -> list[str]:
    """Return the names of the parameters without a default."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is inspect.Parameter.empty and parameter.kind not in several
    ]


def _names(signature: inspect.Signature) -> str:
    return ", ".join(signature.parameters) or "no arguments"


def nearest_names(name: str, known: Iterable[str], likeness: float = 0.3) -> str:
    """Return a sentence with the names like ``name``, whatever their case, or nothing."""
    names: dict[str, str] = {}
    for own in known:
        names.setdefault(own.lower(), own)
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=likeness)
    return f" The nearest names are {', '.join(names[key] for key in near)}." if near else ""


def import_library(name: str, package: str, spec: Spec) -> Any:
    """Import a library that may not be there; an ArgumentError says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ArgumentError(
            f"{spec.text} needs the {package} package, which cannot be imported ({error}). Run "
            f"pip install {package}."
        ) from error


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Look for modules in ``folder`` first; what the imported code adds to the path stays."""
    place = str(folder)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        with suppress(ValueError):  # the imported code may have taken it away
            sys.path.remove(place)


def _import_module(name: str) -> Any:
    try:
        with _first_on_path(Path.cwd()):
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ArgumentError(
            f"Cannot import {name!r}: {type(error).__name__}: {error}. Expected a module on the "
            "Python path; a file is given as path/file.py:factory."
        ) from error


def _is_free(name: str) -> bool:
    """Tell whether no module has this name."""
    try:
        return importlib.util.find_spec(name) is None
    except ValueError:  # of modules that were not imported from anywhere, such as __main__
        return False


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Expected path/file.py:factory.")
    # by its own name the processes of a loader find it, too, unless that would hide a module
    is_free = path.stem.isidentifier() and _is_free(path.stem)
    name = path.stem if is_free else f"_infoflow_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a path that ends in .py has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _first_on_path(path.resolve().parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)  # half of a module is none
        raise ArgumentError(
            f"{path} cannot be imported: {type(error).__name__}: {error}. Run it with python to "
            "see the whole error."
        ) from error
    if is_free:
        sys.path.append(str(path.resolve().parent))
    return module
