"""What --data and --target mean."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, StackDataset, TensorDataset

from infoflow.capture.targets import KMeans
from infoflow.cli.imports import call_factory, find_attribute
from infoflow.cli.inputs import parse_shape
from infoflow.cli.spec import parse_spec
from infoflow.estimators.label_reading import plain_numbers
from infoflow.interface import ArgumentError, Target

_BATCH = 16


def load_loader(text: str, shape: str | None) -> Iterable[Any]:
    """Return the loader that ``--data`` names."""
    path = Path(text)
    if text == "demo":
        from infoflow.testing import blob_images

        size = 64 if shape is None else parse_shape(shape)[-1]
        return DataLoader(TensorDataset(*blob_images(128, size=size)), batch_size=_BATCH)
    if path.suffix == ".npz":
        return _from_npz(path)
    if path.is_dir():
        return _from_image_folder(path, shape)
    spec = parse_spec(text)
    if spec is None:
        raise ArgumentError(
            f"--data must be package.module:factory, path/file.py:factory, an image folder, an "
            f".npz or demo, got {text!r}, which is none of them."
        )
    loader: Iterable[Any] = call_factory(find_attribute(spec), spec)
    if not hasattr(loader, "__iter__"):
        raise ArgumentError(
            f"{text} gives an object of type {type(loader).__name__}, expected an iterable of "
            "batches, such as a torch.utils.data.DataLoader."
        )
    return loader


def _from_npz(path: Path) -> Iterable[Any]:
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Expected an .npz with x, and y if there is.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: _column(name, arrays[name]) for name in arrays.files}
    except Exception as error:
        raise ArgumentError(
            f"{path} cannot be read as an .npz of plain arrays ({type(error).__name__}). Write it "
            "with numpy.savez(path, x=..., y=...)."
        ) from error
    if "x" not in columns:
        raise ArgumentError(
            f"{path} holds {', '.join(columns) or 'nothing'}, expected x, and y if there is one."
        )
    if any(getattr(column, "ndim", 1) == 0 for column in columns.values()):
        raise ArgumentError(f"{path} holds single numbers; expected x and y with a row per sample.")
    x = torch.as_tensor(columns["x"], device="cpu")
    x = x.float() if x.dtype == torch.float64 else x
    parts = [x, columns["y"]] if "y" in columns else [x]
    if len({len(part) for part in parts}) > 1:
        raise ArgumentError(
            f"{path} has {len(x)} samples in x but {len(columns['y'])} in y; expected one y per x."
        )
    data: Dataset[Any] = StackDataset(*parts)
    return DataLoader(data, batch_size=_BATCH)


def check_has_targets(text: str) -> None:
    """Raise an ArgumentError for an ``.npz`` file, which can be read, without targets."""
    if not text.endswith(".npz"):
        return
    with np.load(text, allow_pickle=False) as arrays:
        if "y" not in arrays.files:
            raise ArgumentError(
                f"{text} has no array y, and an ablation needs targets. Write it with "
                "numpy.savez(path, x=..., y=...)."
            )


def _column(name: str, array: NDArray[Any]) -> Tensor | list[str]:
    """Return an array as a tensor; names of classes as a list."""
    if name == "y" and array.dtype.kind in "SU":
        return [str(one) for one in array.reshape(-1).tolist()]
    return plain_numbers(torch.from_numpy(array))


def _from_image_folder(path: Path, shape: str | None) -> Iterable[Any]:
    from torchvision import datasets, transforms

    size = (224, 224) if shape is None else parse_shape(shape)[-2:]
    steps = transforms.Compose([transforms.Resize(size), transforms.ToTensor()])
    try:
        images = datasets.ImageFolder(str(path), transform=steps)
    except FileNotFoundError as error:
        raise ArgumentError(
            f"{path} is no folder of images ({error}). Expected one folder per class, each with "
            "images in it."
        ) from error
    return DataLoader(images, batch_size=_BATCH)


def load_target(text: str) -> str | Target:
    """Return a target by name; ``kmeans:12`` sets the number of clusters."""
    name, _, number = text.partition(":")
    if name != "kmeans" or not number:
        return text
    if not number.isdigit() or int(number) < 2:
        raise ArgumentError(f"--target kmeans:CLUSTERS needs a number from 2 on, got {text!r}.")
    return KMeans(clusters=int(number))
