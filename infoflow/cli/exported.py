"""Programs that ``torch.export.save`` has written."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError

#: One of these is in the archive: of torch from 2.7 on, and before.
_MARKS = {"archive_format", "serialized_exported_program.json"}


def load_exported(path: Path) -> Any:
    """Return the module of an exported program, with what it was exported with as its example.

    Like a Python file, a program is code: custom objects in it are unpickled by torch.
    """
    _check_archive(path)
    try:
        with _quiet():
            program = torch.export.load(path)
            module: Any = program.module()
    except Exception as error:
        raise ArgumentError(
            f"{path} cannot be loaded by torch {torch.__version__}: it is damaged, or was written "
            f"by another version ({type(error).__name__}). Write it again with "
            "torch.export.save(torch.export.export(model, example), path)."
        ) from error
    for part in module.modules():
        part.training = False  # .eval() does not exist for an exported program
    name = _name_of_model(program)
    if name:
        type(module).__name__ = name  # a class that torch has made for this module alone
    if program.example_inputs is not None:
        args, kwargs = program.example_inputs
        module.example_input_array = Arguments(tuple(args), dict(kwargs))
    return module


def _check_archive(path: Path) -> None:
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Expected a program from torch.export.save.")
    try:
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).name for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise ArgumentError(
            f"{path} is damaged or no exported program: it cannot be opened ({error}). Expected a "
            "file written by torch.export.save(torch.export.export(model, example), path)."
        ) from error
    if names & _MARKS:
        return
    what = "an archive of something else"
    if "data.pkl" in names:
        what = "a scripted module" if "constants.pkl" in names else "a checkpoint of torch.save"
    raise ArgumentError(
        f"{path} is {what}, expected a program written by torch.export.save. Give the code of the "
        "model as MODEL, such as path/file.py:factory, and a checkpoint as --weights."
    )


def _name_of_model(program: torch.export.ExportedProgram) -> str:
    """Return the class of the model that was exported, where the program says it."""
    for node in program.graph.nodes:
        for path, kind in node.meta.get("nn_module_stack", {}).values():
            if path == "":
                return str(kind).rpartition(".")[2]
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from logging a traceback for a file that it cannot read."""
    logger = logging.getLogger("torch.export")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled
