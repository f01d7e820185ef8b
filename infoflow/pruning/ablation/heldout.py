"""Held-out samples: told apart, divided into parts, and read part by part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.interface import ArgumentError, PruningWarning, TargetError, warn
from infoflow.pruning.ablation.batch_parts import singles, take, without_singles
from infoflow.pruning.ablation.bounds import FEWEST_SAMPLES
from infoflow.pruning.ablation.checksums import checksums_of
from infoflow.pruning.ablation.seen import facts_with
from infoflow.pruning.ablation.splitting import Parts, split_samples
from infoflow.pruning.ablation.target_facts import TargetFacts

#: More samples than this to mend with hardly mend better.
ENOUGH_TO_MEND = 1024

#: Shares of the samples that mend, choose and judge; and where others mend, or nothing does.
_SHARES = (0.4, 0.2, 0.4)
_SHARES_WITHOUT_MENDING = (0.0, 1 / 3, 2 / 3)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out samples and what each is used for.

    Parameters
    ----------
    samples
        The loader's samples.
    checksums
        (N,) int64, one for each sample's inputs.
    parts
        Numbers of the samples that mend, choose and judge. No two samples with the same inputs are
        in different parts.
    left_out
        Numbers of the samples that are used for nothing, since they are among those that mend.
    classes
        (N,) class of each sample, where a sample has one.
    notes
        What is to be said of the samples.
    one_by_one
        Whether batches have one sample each.
    facts
        What all targets show together; None where there are none.
    """

    samples: Samples
    checksums: NDArray[np.int64]
    parts: Parts
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    classes: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    one_by_one: bool = False
    facts: TargetFacts | None = None

    def with_note(self, note: str) -> HeldOut:
        """Return the same samples with one note more."""
        return replace(self, notes=(*self.notes, note))

    def without_choosing(self) -> HeldOut:
        """Return the same samples where those that would choose judge, too."""
        parts = self.parts
        return replace(self, parts=Parts(parts.mend, parts.choose[:0], self.measured))

    @property
    def ranking(self) -> NDArray[np.int64]:
        """Numbers of the samples that rank streams: those that choose, or judge where none do."""
        return self.parts.choose if len(self.parts.choose) else self.parts.judge

    @property
    def fingerprint(self) -> str:
        """A short digest of all samples and of their parts."""
        digest = hashlib.sha256(self.checksums.tobytes())
        for part in (self.parts.mend, self.parts.choose, self.parts.judge):
            digest.update(part.astype(np.int64).tobytes() + b"|")
        return digest.hexdigest()[:16]

    @property
    def measured(self) -> NDArray[np.int64]:
        """Numbers of the samples that choose or judge, ascending."""
        return np.sort(np.concatenate([self.parts.choose, self.parts.judge]))

    def roles(self) -> list[str]:
        """Return what each sample is used for."""
        found = np.full(len(self.checksums), "left out", dtype=object)
        for name in ("mend", "choose", "judge"):
            found[getattr(self.parts, name)] = name
        return [str(role) for role in found]

    def batches(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Go through the loader once and yield of each batch the samples that are in ``rows``.

        A sample that is left alone joins those of a batch beside it.
        """
        chosen = self._chosen(rows)
        if self.one_by_one:
            for batch in chosen:
                yield from singles(batch)
        elif len(self.samples.checksums) == len(self.checksums):
            yield from chosen  # the loader gives them one by one
        else:
            yield from without_singles(chosen)

    def _chosen(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        wanted = np.zeros(len(self.checksums), dtype=bool)
        wanted[rows] = True
        start = 0
        for batch in self.samples.batches():
            chosen = np.flatnonzero(wanted[batch.start : batch.start + batch.size])
            if len(chosen):
                yield take(batch, chosen, start)
                start += len(chosen)


@dataclass(frozen=True, eq=False)
class Scanned:
    """What one pass over samples shows.

    Parameters
    ----------
    checksums
        (N,) int64, of each sample's inputs; samples of the same inputs share one.
    classes
        (N,) class of each sample, where all have one.
    facts
        What all targets show together; None where there are none.
    """

    checksums: NDArray[np.int64]
    classes: NDArray[np.int64] | None
    facts: TargetFacts | None


def scan(samples: Samples) -> Scanned:
    """Go over samples once."""
    checksums: list[int] = []
    labels: list[Tensor | None] = []
    facts: TargetFacts | None = None
    for batch in samples.batches():
        checksums += checksums_of(batch)
        labels.append(_labels(batch))
        facts = facts_with(facts, batch)
    samples.drop_targets()
    return Scanned(np.array(checksums, np.int64), _classes(labels), facts)


def _labels(batch: Batch) -> Tensor | None:
    target = batch.target
    if target is None or target.is_floating_point() or target.numel() != batch.size:
        return None
    return target.reshape(batch.size).long()


def _classes(labels: list[Tensor | None]) -> NDArray[np.int64] | None:
    """Return a class for each sample, where all have one, and there are few."""
    known = [label for label in labels if label is not None]
    if len(known) < len(labels):
        return None
    classes = torch.cat(known).numpy()
    return classes if len(np.unique(classes)) <= len(classes) // 2 else None


def divide(samples: Samples, *, mends: bool, calibrate: Iterable[int] | None, seed: int) -> HeldOut:
    """Divide held-out samples into those that mend, choose and judge.

    Parameters
    ----------
    samples
        Held-out samples.
    mends
        Whether anything is mended.
    calibrate
        Checksums of other samples that mend; None where held-out samples have to.
    seed
        Seed of the division.

    Raises
    ------
    ArgumentError
        If fewer than 64 samples would judge.
    """
    seen = scan(samples)
    checksums, classes = seen.checksums, seen.classes
    _check_names(samples)
    given = None if calibrate is None else np.unique(np.fromiter(calibrate, np.int64))
    is_known = np.zeros(len(checksums), bool) if given is None else np.isin(checksums, given)
    unique, groups = np.unique(checksums, return_inverse=True)
    usable = np.unique(groups[~is_known])
    shares = _SHARES if mends and calibrate is None else _SHARES_WITHOUT_MENDING
    of_group = None if classes is None else _of_groups(classes, groups, len(unique))[usable]
    parts = _split(len(usable), shares, of_group, seed, mends=mends, known=int(is_known.sum()))
    rows = [np.flatnonzero(np.isin(groups, usable[part]) & ~is_known) for part in parts]
    found = Parts(*(part.astype(np.int64) for part in rows))
    left_out = np.flatnonzero(is_known).astype(np.int64)
    mending = len(given) if given is not None else len(found.mend)
    notes = _notes(
        mending if mends else None,
        len(left_out),
        len(checksums) - len(unique),
        has_others=given is not None,
    )
    if mends and mending < FEWEST_SAMPLES:
        warn(f"{notes[0]}.", PruningWarning)
    return HeldOut(samples, checksums, found, left_out, classes, notes, facts=seen.facts)


def _check_names(samples: Samples) -> None:
    """Raise a TargetError for names, of which nothing tells the order of the net's outputs."""
    if samples.names:
        names = ", ".join(sorted(samples.names.values())[:3])
        raise TargetError(
            f"ablate needs class numbers in the order of the net's outputs, got names such as "
            f"{names}. Number them in unpack=: torch.tensor([names.index(one) for one in target]), "
            "where names lists the classes in the order of the outputs."
        )


def _split(
    count: int,
    shares: tuple[float, float, float],
    classes: NDArray[np.int64] | None,
    seed: int,
    *,
    mends: bool,
    known: int,
) -> list[NDArray[np.int64]]:
    if known and not count:
        raise ArgumentError(
            f"calibrate= must hold other samples than held_out, got all {known} of them in both. "
            "Pass training data, or leave calibrate= out: a part of held_out then mends."
        )
    judging = count - round(count * (shares[0] + shares[1]))
    if judging < FEWEST_SAMPLES:
        needed = int(np.ceil(FEWEST_SAMPLES / shares[2]))
        seen = f", beside {known} that also mend" if known else ""
        instead = ""
        if shares[0]:
            fewer = int(np.ceil(FEWEST_SAMPLES / _SHARES_WITHOUT_MENDING[2]))
            instead = f", or calibrate= with training data, where {fewer} are enough"
        raise ArgumentError(
            f"held_out must leave at least {FEWEST_SAMPLES} samples to judge with, got {judging} "
            f"of {count} with different inputs{seen}. Pass {needed} or more{instead}."
        )
    parts = split_samples(count, seed=seed, shares=shares, classes=classes)
    return [parts.mend, parts.choose, parts.judge]


def _of_groups(
    classes: NDArray[np.int64], groups: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    found = np.empty(count, np.int64)
    found[groups] = classes
    return found


def _notes(
    mending: int | None, left_out: int, repeated: int, *, has_others: bool
) -> tuple[str, ...]:
    notes = []
    if mending is not None and mending < ENOUGH_TO_MEND:
        more = (
            "pass more as" if has_others else "pass training data, whose labels are not needed, as"
        )
        notes.append(
            f"{mending} samples mend, and more mend better, up to about {ENOUGH_TO_MEND:,}: {more} "
            "calibrate="
        )
    if left_out:
        notes.append(f"{left_out} held-out samples are left out, since they are in calibrate=, too")
    if repeated:
        notes.append(f"{repeated} held-out samples repeat the inputs of others")
    return tuple(notes)
