"""What MODEL and --weights mean."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from infoflow.cli.imports import call_factory, find_attribute, nearest_names
from infoflow.interface import ArgumentError


def load_model(spec: str, weights: Path | None = None) -> nn.Module:
    """Return the module that a spec names, with the weights of a checkpoint."""
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise ArgumentError(
            f"MODEL must be package.module:factory, path/file.py:factory, torchvision:NAME or "
            f"timm:NAME, got {spec!r}."
        )
    if place == "torchvision":
        model = _from_torchvision(name)
    elif place == "timm":
        model = _from_timm(name)
    else:
        model = call_factory(find_attribute(place, name, spec), spec)
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"{spec} gives an object of type {type(model).__name__}, expected a torch.nn.Module, "
            "or a function without arguments that returns one."
        )
    if weights is not None:
        load_weights(model, weights)
    return model


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into ``model``, without unpickling code; an ArgumentError says why not."""
    state = _read_state(path)
    state = next(
        (state[k] for k in ("state_dict", "model") if isinstance(state.get(k), dict)), state
    )
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        own = model.state_dict()
        missing, unexpected = sorted(set(own) - set(state)), sorted(map(str, set(state) - set(own)))
        shapes = [k for k in own if k in state and own[k].shape != np.shape(state[k])]
        raise ArgumentError(
            f"The checkpoint {path} does not fit {type(model).__name__}: {len(missing)} keys are "
            f"missing{_first(missing)}, {len(unexpected)} are unexpected{_first(unexpected)}, "
            f"{len(shapes)} have another shape{_first(shapes)}. Build the model with the same "
            "settings as the one that was saved."
        ) from error


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


def _from_torchvision(name: str) -> nn.Module:
    import torchvision

    known = torchvision.models.list_models()
    if name not in known:
        raise ArgumentError(f"torchvision has no model {name!r}.{nearest_names(name, known)}")
    options: dict[str, Any] = {"weights": None}
    builder = torchvision.models.get_model_builder(name)
    if "weights_backbone" in inspect.signature(builder).parameters:
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    model: nn.Module = builder(**options)
    return model


def _from_timm(name: str) -> nn.Module:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise ArgumentError(f"timm:{name} needs the timm package. Run pip install timm.") from error
    known = timm.list_models()
    if name not in known:
        raise ArgumentError(f"timm has no model {name!r}.{nearest_names(name, known)}")
    model: nn.Module = timm.create_model(name, pretrained=False)
    return model
