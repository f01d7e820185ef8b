"""What a loader must be: an iterable of batches, all of them, that can be read more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any, cast

import numpy as np
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset
from torch.utils.data.distributed import DistributedSampler

from infoflow.interface import LoaderError
from infoflow.interface.argument_checks import shown
from infoflow.interface.errors import is_out_of_memory


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


def undivided(loader: Any) -> Any:
    """Return a loader over all samples where a DistributedSampler gives each process a part.

    That repeats some samples, to give all processes equally many, and does not say which.

    Examples
    --------
    >>> sampler = DistributedSampler(range(5), num_replicas=2, rank=1)
    >>> loader = DataLoader(range(5), batch_size=2, sampler=sampler)
    >>> [batch.tolist() for batch in undivided(loader)]
    [[0, 1], [2, 3], [4]]
    """
    if not isinstance(loader, DataLoader) or not isinstance(loader.sampler, DistributedSampler):
        return loader
    return DataLoader(
        loader.dataset,
        loader.batch_size,
        sampler=range(len(cast(Sized, loader.sampler.dataset))),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
    )


def sized_samples(loader: Iterable[Any]) -> int | None:
    """Return how many samples a DataLoader will give, None where only a pass can tell."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    batches = loader.batch_sampler
    if type(batches) is not BatchSampler or not isinstance(batches.sampler, Sized):
        return None
    samples, size = len(batches.sampler), batches.batch_size
    return samples // size * size if batches.drop_last else samples


def batches_of(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield a loader's batches; a LoaderError where it fails."""
    number = 0
    try:
        for raw in loader:
            yield raw
            number += 1
    except (LoaderError, GeneratorExit):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise LoaderError(
            f"The loader failed after {number} batches with {type(error).__name__}: {error}. "
            "Expected batches of samples that have the same shape."
        ) from error
