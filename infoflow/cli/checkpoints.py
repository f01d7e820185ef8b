"""What --weights means: a checkpoint, of which pickled code is never run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infoflow.interface import ArgumentError


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into ``model``, without unpickling code; an ArgumentError says why not."""
    state = _read_state(path)
    keys = ("state_dict", "model_state_dict", "model")
    state = next((state[k] for k in keys if isinstance(state.get(k), dict)), state)
    if state and all(str(key).startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}  # of DDP
    own = model.state_dict()
    state = {**_tied(own, state), **state}
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        missing, unexpected = sorted(set(own) - set(state)), sorted(map(str, set(state) - set(own)))
        shapes = [k for k in own if k in state and own[k].shape != np.shape(state[k])]
        raise ArgumentError(
            f"The checkpoint {path} does not fit {type(model).__name__}: {len(missing)} keys are "
            f"missing{_first(missing)}, {len(unexpected)} are unexpected{_first(unexpected)}, "
            f"{len(shapes)} have another shape{_first(shapes)}. Build the model with the same "
            "settings as the one that was saved."
        ) from error


def _tied(own: dict[str, Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """Return missing entries that are the same parameter as a given one: files hold these once."""
    given = {_place(own[name]): value for name, value in state.items() if name in own}
    missing = {name: _place(own[name]) for name in own if name not in state and own[name].numel()}
    return {name: given[place] for name, place in missing.items() if place in given}


def _place(tensor: Any) -> Any:
    """Tell tensors apart by where they are, and what of it they show."""
    if not isinstance(tensor, Tensor):
        return id(tensor)
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def _first(names: list[str]) -> str:
    return f" (such as {names[0]})" if names else ""


def _read_state(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ArgumentError(f"There is no checkpoint {path}. Expected a file with a state_dict.")
    try:
        if path.suffix == ".safetensors":
            state = importlib.import_module("safetensors.torch").load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ArgumentError(
            f"Reading {path} needs the safetensors package. Run pip install safetensors."
        ) from error
    except Exception as error:
        raise ArgumentError(
            f"The checkpoint {path} cannot be read as plain tensors ({type(error).__name__}): it "
            "is damaged, or holds pickled code, which is never run. Save model.state_dict() alone."
        ) from error
    if not isinstance(state, dict):
        raise ArgumentError(
            f"The checkpoint {path} holds a {type(state).__name__}, expected a state_dict. Save "
            "model.state_dict()."
        )
    return state
