"""What a loader must be: an iterable of batches that can be read more than once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from infoflow.interface import LoaderError
from infoflow.interface.argument_checks import shown


def check_loader(loader: Any) -> None:
    """Raise a LoaderError for what cannot be read, or only once, or has no batches.

    Examples
    --------
    >>> check_loader("images")
    Traceback (most recent call last):
    infoflow.interface.errors.LoaderError: loader must be an iterable of batches, got 'images'. \
Pass a DataLoader or a list of batches.
    """
    wanted = "loader must be an iterable of batches"
    if isinstance(loader, Iterator):
        raise LoaderError(
            f"The loader is an iterator ({type(loader).__name__}), which can be read only once; "
            "expected something to read several times. Pass a DataLoader or a list of batches."
        )
    if isinstance(loader, (Tensor, np.ndarray)):
        kind = "tensor" if isinstance(loader, Tensor) else "array"
        raise LoaderError(
            f"{wanted}, got a {type(loader).__name__} of shape {tuple(loader.shape)}. Wrap it: "
            f"torch.utils.data.DataLoader({kind}, batch_size=16), or [{kind}] for one batch."
        )
    if isinstance(loader, type) or (callable(loader) and not hasattr(loader, "__iter__")):
        kind = "class" if isinstance(loader, type) else "function"
        name = getattr(loader, "__name__", type(loader).__name__)
        what = "module" if isinstance(loader, nn.Module) else kind
        call = "" if what == "module" else f" Call it: {name}(...)."
        raise LoaderError(f"{wanted}, got the {what} {name}.{call}")
    is_set = isinstance(loader, Dataset) and not isinstance(loader, DataLoader)
    if is_set and not hasattr(loader, "__iter__"):
        raise LoaderError(
            f"{wanted}, got the data set {type(loader).__name__}, which gives single samples. Wrap "
            "it: torch.utils.data.DataLoader(dataset, batch_size=16)."
        )
    is_readable = hasattr(loader, "__iter__") or hasattr(loader, "__getitem__")
    if isinstance(loader, (str, bytes, dict)) or not is_readable:
        raise LoaderError(f"{wanted}, got {shown(loader)}. Pass a DataLoader or a list of batches.")
