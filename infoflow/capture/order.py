"""Whether a loader gives its samples in one order: what an array of labels must know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from infoflow.graph.running.undisturbed import seed_everything

#: ``"sequential"``: the data set's; ``"permuted"``: a sampler of the user's gives another, always
#: the same; ``"repeated"``: two passes agree; ``"shuffled"``: another seed gives another order.
Order = Literal["sequential", "permuted", "repeated", "shuffled"]

_RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def order_of(loader: Iterable[Any], seed: int, read: Callable[[int], Sequence[int]]) -> Order:
    """Return which order a loader gives its samples in.

    Told by the samplers of a DataLoader, which are read under two seeds where they are not torch's
    own; for other loaders by two passes over the data.

    Parameters
    ----------
    loader
        A list of batches, a DataLoader, or any iterable.
    seed
        Seed of the first pass.
    read
        Makes a pass under a seed and returns a checksum of each batch.

    Examples
    --------
    >>> order_of(DataLoader([1, 2, 3], shuffle=True), 0, lambda seed: [])
    'shuffled'
    """
    if isinstance(loader, (list, tuple)):
        return "sequential"
    samplers = _samplers(loader)
    if any(isinstance(one, _RANDOM) for one in samplers):
        return "shuffled"
    if any(isinstance(one, DistributedSampler) and one.shuffle for one in samplers):
        return "shuffled"  # its seed is its own and its epoch's: two passes would agree
    if {type(one) for one in samplers} in ({SequentialSampler}, {BatchSampler, SequentialSampler}):
        return "sequential"
    first, second = (_indices(loader, samplers, step) for step in (seed, seed + 1))
    if first is None or second is None:
        return "repeated" if read(seed) == read(seed + 1) else "shuffled"
    if first != second:
        return "shuffled"
    is_ascending = all(one < other for one, other in pairwise(first))
    return "sequential" if is_ascending else "permuted"


def _samplers(loader: Iterable[Any]) -> list[Any]:
    """Return what decides a DataLoader's order, outermost first; nothing for other loaders."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return []
    place: Any = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    found: list[Any] = []
    while place is not None and all(place is not one for one in found):
        found.append(place)
        inner = getattr(place, "batch_sampler", None)
        place = getattr(place, "sampler", None) if inner is None else inner
    return found


def _indices(loader: Iterable[Any], samplers: list[Any], seed: int) -> list[int] | None:
    """Return the numbers of the samples that a DataLoader asks for, or None where none are told."""
    if not samplers:
        return None
    seed_everything(seed, loader)
    try:
        # some samplers never end: a pass takes as many batches as the loader has
        steps = list(islice(samplers[0], len(loader)))  # type: ignore[arg-type]
    except Exception:
        return None
    flat = [one for step in steps for one in (step if isinstance(step, (list, tuple)) else [step])]
    numbers = [int(one) for one in flat if isinstance(one, (Integral, Tensor))]
    return numbers if len(numbers) == len(flat) else None


def differs_in_order(given: Tensor, batches: Sequence[Tensor], order: Order) -> bool:
    """Tell whether given labels are, in another order, those that the loader gives itself.

    Parameters
    ----------
    given
        (N,) labels that the caller gives.
    batches
        What the loader gives, by batch.
    order
        Where that is the data set's, labels count as disordered only where they are so within
        batches, as when ``collate_fn`` sorts: other labels may be a shuffled control.

    Examples
    --------
    >>> own = torch.tensor([0, 1]), torch.tensor([1, 1])
    >>> differs_in_order(torch.tensor([1, 0, 1, 1]), own, "sequential")
    True
    """
    own = torch.cat([batch.reshape(-1) for batch in batches])
    if own.shape != given.shape or bool((own == given).all()):
        return False
    parts = given.split([len(batch) for batch in batches])
    if order != "sequential":
        parts, batches = (given,), (own,)
    return all(
        torch.equal(one.sort()[0].double(), other.reshape(-1).sort()[0].double())
        for one, other in zip(parts, batches, strict=True)
    )
