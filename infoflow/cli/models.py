"""What MODEL means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import nn

from infoflow.cli.checkpoints import load_weights
from infoflow.cli.exported import load_exported
from infoflow.cli.imports import call_factory, find_attribute, nearest_names
from infoflow.cli.libraries import LIBRARIES
from infoflow.cli.spec import Spec, parse_spec
from infoflow.interface import ArgumentError

_FORMS = (
    "package.module:factory, path/file.py:factory, torchvision:NAME, timm:NAME, smp:NAME, "
    "transformers:NAME or path/file.pt2"
)


def load_model(text: str, weights: Path | None = None) -> nn.Module:
    """Return the module that MODEL names, with the weights of a checkpoint."""
    model: nn.Module = load_exported(Path(text)) if text.endswith(".pt2") else _from_spec(text)
    if weights is not None:
        load_weights(model, weights)
    return model


def _from_spec(text: str) -> nn.Module:
    spec = parse_spec(text)
    if spec is None:
        raise ArgumentError(f"MODEL must be {_FORMS}, got {text!r}.{_hint(text)}")
    if spec.place in LIBRARIES:
        model = LIBRARIES[spec.place](spec)
    else:
        model = call_factory(_find(spec), spec)
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"{text} gives an object of type {type(model).__name__}, expected a torch.nn.Module, "
            "or a function that returns one."
        )
    return model.eval()


def _find(spec: Spec) -> Any:
    try:
        return find_attribute(spec)
    except ArgumentError as error:
        near = nearest_names(spec.place, LIBRARIES, likeness=0.7)
        raise ArgumentError(f"{error}{near}") from error


def _hint(text: str) -> str:
    """Return what to do about the likeliest mistakes."""
    if text.endswith((".pt", ".pth", ".ckpt", ".safetensors", ".bin")):
        return " A checkpoint holds weights only: pass it as --weights."
    if text.endswith(".onnx"):
        return " An ONNX file cannot be read: give the code that it was made from."
    if text.endswith(".py"):
        return f" Name the function in the file that makes the model, as in {text}:make."
    if re.fullmatch(r"[\w.]+", text):
        return f" Say whose it is, as in torchvision:{text}."
    return ""
