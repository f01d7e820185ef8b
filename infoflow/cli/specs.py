"""What MODEL, --weights, --data and --target mean."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from infoflow.capture.batches import Samples
from infoflow.capture.targets import KMeans
from infoflow.interface import ArgumentError, InfoflowError
from infoflow.interface import Target as TargetProtocol
from infoflow.testing import blob_images

_BATCH = 16


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
        model = _call(_attribute(place, name, spec), spec)
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"{spec} gives a {type(model).__name__}, expected a torch.nn.Module, or a function "
            "without arguments that returns one."
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
        missing, unexpected = sorted(set(own) - set(state)), sorted(set(state) - set(own))
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
        raise ArgumentError(f"torchvision has no model {name!r}.{_nearest(name, known)}")
    options = {"weights": None}
    builder = torchvision.models.get_model_builder(name)
    parameters = importlib.import_module("inspect").signature(builder).parameters
    if "weights_backbone" in parameters:
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False  # type: ignore[assignment]
    model: nn.Module = builder(**options)
    return model


def _from_timm(name: str) -> nn.Module:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise ArgumentError(f"timm:{name} needs the timm package. Run pip install timm.") from error
    known = timm.list_models()
    if name not in known:
        raise ArgumentError(f"timm has no model {name!r}.{_nearest(name, known)}")
    model: nn.Module = timm.create_model(name, pretrained=False)
    return model


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.3)
    return f" The nearest names are {', '.join(near)}." if near else ""


def _attribute(place: str, name: str, spec: str) -> Any:
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ArgumentError(f"{spec}: {place} has no {name!r}.{_nearest(name, public)}")
    return getattr(module, name)


def _import_module(name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ArgumentError(
            f"Cannot import {name!r}: {error}. Expected a module on the Python path; a file is "
            "given as path/file.py:factory."
        ) from error
    finally:
        sys.path.pop(0)


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Expected path/file.py:factory.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, "a path that ends in .py has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[path.stem] = module
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


def _call(factory: Any, spec: str) -> Any:
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


def parse_shape(text: str) -> tuple[int, ...]:
    """Return ``"3,128,128"`` as numbers."""
    try:
        shape = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ArgumentError(
            f"--input-shape must be whole numbers such as 3,128,128, the shape of one sample "
            f"without the batch, got {text!r}."
        )
    return shape


def example_input(spec: str, shape: str | None, loader: Iterable[Any] | None) -> Any:
    """Return two samples to trace with: from the loader, the given shape, or the library."""
    if loader is not None:
        return Samples(loader).example().inputs
    if shape is not None:
        return torch.rand(2, *parse_shape(shape))
    if spec.startswith("torchvision:"):
        size = 299 if spec.endswith(":inception_v3") else 224
        return torch.rand(2, 3, size, size)
    raise ArgumentError(
        f"The shape of {spec}'s input is not known. Pass --input-shape, such as 3,128,128, or "
        "--data."
    )


def load_loader(spec: str, shape: str | None) -> Iterable[Any]:
    """Return the loader that ``--data`` names."""
    path = Path(spec)
    if spec == "demo":
        size = 64 if shape is None else parse_shape(shape)[-1]
        return DataLoader(TensorDataset(*blob_images(128, size=size)), batch_size=_BATCH)
    if path.suffix == ".npz":
        return _from_npz(path)
    if path.is_dir():
        return _from_image_folder(path, shape)
    place, _, name = spec.rpartition(":")
    if not place:
        raise ArgumentError(
            f"--data must be package.module:factory, path/file.py:factory, an image folder, an "
            f".npz or demo, got {spec!r}, which is none of them."
        )
    loader: Iterable[Any] = _call(_attribute(place, name, spec), spec)
    if not hasattr(loader, "__iter__"):
        raise ArgumentError(
            f"{spec} gives a {type(loader).__name__}, expected an iterable of batches, such as a "
            "torch.utils.data.DataLoader."
        )
    return loader


def _from_npz(path: Path) -> Iterable[Any]:
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Expected an .npz with x, and y if there is.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as error:
        raise ArgumentError(
            f"{path} cannot be read as an .npz of plain arrays ({type(error).__name__}). Write it "
            "with numpy.savez(path, x=..., y=...)."
        ) from error
    if "x" not in columns:
        raise ArgumentError(
            f"{path} holds {', '.join(columns) or 'nothing'}, expected x, and y if there is one."
        )
    x = columns["x"].float() if columns["x"].dtype == torch.float64 else columns["x"]
    parts = [x, columns["y"]] if "y" in columns else [x]
    if len({len(part) for part in parts}) > 1:
        raise ArgumentError(
            f"{path} has {len(x)} samples in x but {len(columns['y'])} in y; expected one y per x."
        )
    return DataLoader(TensorDataset(*parts), batch_size=_BATCH)


def _from_image_folder(path: Path, shape: str | None) -> Iterable[Any]:
    from torchvision import datasets, transforms

    size = (224, 224) if shape is None else parse_shape(shape)[-2:]
    steps = transforms.Compose([transforms.Resize(size), transforms.ToTensor()])
    try:
        images = datasets.ImageFolder(str(path), transform=steps)
    except FileNotFoundError as error:
        raise ArgumentError(
            f"{path} holds no folders of images; expected one folder per class, with images in it."
        ) from error
    return DataLoader(images, batch_size=_BATCH)


def load_target(text: str) -> str | TargetProtocol:
    """Return a target by name; ``kmeans:12`` sets the number of clusters."""
    name, _, number = text.partition(":")
    if name != "kmeans" or not number:
        return text
    if not number.isdigit() or int(number) < 2:
        raise ArgumentError(f"--target kmeans:CLUSTERS needs a number from 2 on, got {text!r}.")
    return KMeans(clusters=int(number))
