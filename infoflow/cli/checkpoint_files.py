"""Checkpoints as files: what they hold is read as plain tensors, and pickled code is never run."""

from __future__ import annotations

import argparse
import collections
import datetime
import importlib
import json
import pathlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infoflow.interface import ArgumentError

_INDEX = (".safetensors.index.json", ".bin.index.json", ".pt.index.json")
#: Files of a folder as libraries write it, the best first.
_USUAL = (
    *("model.safetensors.index.json", "pytorch_model.bin.index.json"),
    *("model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin"),
)
#: What trainers save beside the weights, and what does nothing when it is made.
_HARMLESS: tuple[Any, ...] = (
    *(argparse.Namespace, collections.deque, collections.defaultdict, dict, list, set, int, float),
    *(datetime.datetime, datetime.date, datetime.timedelta, np.dtype, np.ndarray),
    *(pathlib.PosixPath, pathlib.PurePosixPath, slice, range, complex, bytearray),
)
#: Files that people take for checkpoints, by how they start.
_OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS. Run git lfs pull to fetch the file itself",
    b"<": "a web page. Download the file itself",
    b"\x89HDF": "an HDF5 file, such as Keras writes. Convert it to a state_dict",
}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds: a file, a folder of one, or the index of several shards.

    Raises
    ------
    ArgumentError
        If there is none, or it holds something else than plain tensors in a dictionary.
    """
    if path.is_dir():
        path = _file_in(path)
    if not path.is_file():
        raise ArgumentError(f"There is no checkpoint {path}. Expected a file with a state_dict.")
    if path.name.endswith(_INDEX):
        return _read_shards(path)
    found = _read_file(path)
    if not isinstance(found, Mapping):
        raise ArgumentError(
            f"The checkpoint {path} holds a {type(found).__name__}, expected a state_dict. Save "
            "model.state_dict()."
        )
    return dict(found)


def _file_in(folder: Path) -> Path:
    there = [folder / name for name in _USUAL if (folder / name).is_file()]
    if not there:
        raise ArgumentError(
            f"{folder} is a folder without {', '.join(_USUAL[:-1])}. Give the file of the "
            "checkpoint itself."
        )
    return there[0]


def _read_shards(index: Path) -> dict[str, Any]:
    """Return the tensors of all files that an index names."""
    try:
        names = sorted({str(name) for name in json.loads(index.read_text())["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"{index} cannot be read as the index of a checkpoint in several files "
            f"({type(error).__name__}). Expected JSON with a weight_map."
        ) from error
    lacking = [name for name in names if not (index.parent / name).is_file()]
    if lacking:
        raise ArgumentError(
            f"{index} names {len(names)} files, of which {len(lacking)} are not there (such as "
            f"{lacking[0]}). Put all of them into one folder."
        )
    state: dict[str, Any] = {}
    for name in names:
        state |= read_checkpoint(index.parent / name)
    return state


def _read_file(path: Path) -> Any:
    try:
        if _is_safetensors(path):
            return importlib.import_module("safetensors.torch").load_file(path)
        # an open file, since torch goes by the name of a path
        with torch.serialization.safe_globals([*_HARMLESS, *_numpy_parts()]), path.open("rb") as f:
            return torch.load(f, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ArgumentError(
            f"Reading {path} needs the safetensors package. Run pip install safetensors."
        ) from error
    except Exception as error:
        raise ArgumentError(
            f"The checkpoint {path} cannot be read as plain tensors ({type(error).__name__}): it "
            f"is {_what_it_is(path)}."
        ) from error


def _is_safetensors(path: Path) -> bool:
    """Tell by the content, else by the name: a header of JSON follows its length in 8 bytes."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:9] == b"{" or (path.suffix == ".safetensors" and start[:2] != b"PK")


def _numpy_parts() -> list[Any]:
    """Return what numbers and arrays of NumPy are pickled with."""
    kinds = [type(np.dtype(kind)) for kind in np.sctypeDict.values() if kind is not np.object_]
    core = importlib.import_module("numpy._core.multiarray")
    old = [(getattr(core, name), f"numpy.core.multiarray.{name}") for name in _REBUILD]
    return [*dict.fromkeys(kinds), *(getattr(core, name) for name in _REBUILD), *old]


_REBUILD = ("scalar", "_reconstruct")


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(32)
    for mark, what in _OTHERS.items():
        if start.lstrip().startswith(mark):
            return what
    code = f"pickled code{_strange_names(path)}, which is never run"
    return f"damaged, or holds {code}. Save model.state_dict() alone"


def _strange_names(path: Path) -> str:
    """Return the objects that a file wants to be made, where torch can tell."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # a file that is damaged, or of before torch 1.6
        return ""
    return f" (such as {sorted(names)[0]})" if names else ""
