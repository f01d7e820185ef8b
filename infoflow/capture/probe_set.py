"""A fixed choice of a loader's samples, by class, with Y made from all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from infoflow.capture.batches import Samples
from infoflow.capture.labels import TargetLike
from infoflow.capture.target_choice import make_target
from infoflow.capture.traced_model import argument_model, check_plain
from infoflow.capture.unpack import Unpack
from infoflow.estimators.classes import label_entropy, numbered, singleton_classes
from infoflow.estimators.rows import choose_rows
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.pytree import leaves_of
from infoflow.graph.running.ragged import is_ragged
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.interface import ArgumentError, Labels, Target, TargetError, nats_per
from infoflow.interface.argument_checks import seed_number, whole_number

#: Samples of a probe set.
PROBES = 64
#: Samples that are run at a time, at most.
_BATCH = 64


class ProbeSet:
    """Some samples of a loader, chosen once by class, to measure on at every epoch.

    A measurement on them costs less, and they are always the same, so that epochs differ by the
    net alone. What does not depend on the samples stays: the trace, and the file of a Tracker. Y is
    made from *all* samples of the loader: clusters of masks are those of the full set. The ceilings
    in the result are those of the chosen samples, and the result's ``target`` says what was chosen,
    and H(Y) of the full set.

    It is a loader: pass it to :class:`infoflow.Tracker` or :func:`infoflow.analyze`, whose
    ``target="auto"`` then is its Y. The samples stay in memory.

    Parameters
    ----------
    model
        The net; it is not run, but the names of its arguments tell what a dictionary holds.
    loader, target, unpack
        As for :func:`infoflow.analyze`; ``target="output"`` changes from epoch to epoch and is
        refused.
    samples
        About how many to choose; each class has its share, rounded.
    seed
        Of the choice, and of the passes over the loader.

    Raises
    ------
    ArgumentError, LoaderError, TargetError
        For fewer than 10 samples, loaders that cannot be read twice, and targets that make no
        classes.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(40, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=8)
    >>> net = UNet(base_channels=4)
    >>> probes = infoflow.ProbeSet(net, loader, samples=20, target=infoflow.KMeans(2))
    >>> tracker = infoflow.Tracker(net, probes, noise=100.0, progress=False)
    >>> tracker.record(0)
    True
    >>> print(tracker.result.dataset.attrs["target"])
    2 K-means clusters of the target; 20 of 40 samples, chosen by class; H(Y) of all 40: 0.67 bits
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        *,
        samples: int = PROBES,
        target: TargetLike = "auto",
        unpack: Unpack | None = None,
        seed: int = 0,
    ) -> None:
        check_plain(model, "ProbeSet")
        wanted = whole_number("samples", samples, least=10, hint=f"{PROBES} is usual.")
        seed = seed_number(seed)
        with undisturbed(model, loader, None):
            read = Samples(loader, unpack=unpack, model=argument_model(model), seed=seed)
            read.read_once()
            labels = _labels(read, target)
            count = read.count
            classes = torch.zeros(count, dtype=torch.int64, device="cpu")
            if labels is not None:
                classes = numbered(labels.classes.cpu())
            self.numbers = choose_rows(classes, wanted, seed=seed).numbers
            self._batches = [
                (call, classes[self.numbers[start : start + call.samples]])
                for start, call in _together(_chosen(read, self.numbers))
            ]
        self._labels = None if labels is None else _of_chosen(labels, self.numbers)

    @property
    def target(self) -> str | Target:
        """Y of the chosen samples, for ``target=``; ``"none"`` where there is none."""
        return "none" if self._labels is None else _ChosenLabels(self._labels)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Arguments, Tensor]]:
        return iter(self._batches)

    def __repr__(self) -> str:
        return f"ProbeSet({len(self.numbers)} samples)"


@dataclass(frozen=True, eq=False)
class _ChosenLabels:
    """Y that is known, with the words that say how."""

    labels: Labels
    of: Literal["given"] = "given"

    def reduce(self, raw: Tensor) -> Labels:
        if len(raw) != len(self.labels.classes):
            raise TargetError(
                f"The target of a ProbeSet is of its own {len(self.labels.classes)} samples, got "
                f"{len(raw)}. Pass the ProbeSet as the loader."
            )
        return self.labels


def target_of(loader: object, target: TargetLike) -> TargetLike:
    """Return Y of a probe set where ``target`` is ``"auto"``, and else what was given."""
    is_auto = isinstance(target, str) and target == "auto"
    return loader.target if is_auto and isinstance(loader, ProbeSet) else target


def _labels(samples: Samples, target: TargetLike) -> Labels | None:
    is_array = not isinstance(target, (str, Target))
    raw = None if is_array else samples.targets
    reducer = make_target(target, raw)
    if reducer is None:
        return None
    if reducer.of == "output":
        raise ArgumentError(
            "target='output' is another Y at every epoch, so that no choice by class can stay. "
            "Pass the loader itself to Tracker, or another target."
        )
    if reducer.of == "given":
        raw = torch.empty(samples.count, 0, dtype=torch.float32, device="cpu")
    if raw is None:
        raise TargetError(
            f"target={type(reducer).__name__} needs what the loader gives as target, but its "
            "batches hold inputs only. Give (inputs, target) pairs, pass unpack=, or target='none'."
        )
    samples.drop_targets()
    return reducer.reduce(raw)


def _of_chosen(labels: Labels, numbers: Tensor) -> Labels:
    chosen = labels.classes.cpu()[numbers]
    bits = labels.entropy / nats_per("bits")
    count = len(labels.classes)
    return replace(
        labels,
        classes=chosen,
        description=f"{labels.description}; {len(numbers)} of {count} samples, chosen by class; "
        f"H(Y) of all {count}: {bits:.2f} bits",
        entropy=label_entropy(chosen),
        singleton_classes=singleton_classes(chosen),
    )


def _chosen(samples: Samples, numbers: Tensor) -> list[tuple[int, Arguments]]:
    """Return the chosen samples of each batch that has some, and the place of the first."""
    found = []
    for batch in samples.batches():
        is_here = (numbers >= batch.start) & (numbers < batch.start + batch.size)
        places = is_here.nonzero()[:, 0].tolist()
        if places:
            rows = (numbers[is_here] - batch.start).tolist()
            found.append((places[0], batch.call.combine(partial(_take, rows))))
    return found


def _together(calls: Sequence[tuple[int, Arguments]]) -> Iterator[tuple[int, Arguments]]:
    """Put calls that are alike together, and cut them into batches of about the same size."""
    alike: list[tuple[int, list[Arguments]]] = []
    for start, call in calls:
        if alike and _are_alike(alike[-1][1][-1], call):
            alike[-1][1].append(call)
        else:
            alike.append((start, [call]))
    for start, same in alike:
        if not _are_alike(same[0], same[0]):
            yield start, same[0]
            continue
        joined = _joined(same)
        number = math.ceil(joined.samples / _BATCH)
        ends = [joined.samples * part // number for part in range(number + 1)]
        for first, end in itertools.pairwise(ends):
            yield start + first, joined.select(slice(first, end))


def _are_alike(one: Arguments, other: Arguments) -> bool:
    """Tell whether calls hold only tensors with a row per sample, of the same sizes and types."""
    rows = one.per_sample()
    leaves = [list(leaves_of((call.args, dict(call.kwargs)))) for call in (one, other)]
    are_rows = all(isinstance(leaf, Tensor) and not is_ragged(leaf) for leaf in rows)
    return (
        are_rows
        and len(rows) == len(leaves[0]) == len(leaves[1])
        and [path for path, _ in leaves[0]] == [path for path, _ in leaves[1]]
        and all(
            isinstance(b, Tensor) and a.shape[1:] == b.shape[1:] and a.dtype == b.dtype
            for (_, a), (_, b) in zip(*leaves, strict=True)
        )
    )


def _joined(calls: Sequence[Arguments]) -> Arguments:
    if len(calls) == 1:
        return calls[0]
    leaves = zip(*(call.per_sample() for call in calls), strict=True)
    return calls[0].combine(lambda leaf: torch.cat(next(leaves)))


def _take(rows: list[int], leaf: Any) -> Any:
    return leaf[rows].clone() if isinstance(leaf, Tensor) else [leaf[row] for row in rows]
