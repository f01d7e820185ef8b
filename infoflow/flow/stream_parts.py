"""What each stream of a merge says about X and Y, alone and beside the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from infoflow.estimators.classes import label_entropy
from infoflow.estimators.information import (
    Information,
    about_classes,
    about_shuffled_classes,
    shared_about_classes,
)
from infoflow.estimators.jackknife import jackknife_interval
from infoflow.estimators.kernel import Sums, kernel_sums
from infoflow.estimators.shuffles import Shuffles
from infoflow.estimators.uncertainty import null_of
from infoflow.interface import is_arithmetic, is_separated

#: Shuffles of the classes for the null of what a stream adds.
STREAM_SHUFFLES = 40


@dataclass(frozen=True)
class StreamPart:
    """What one stream into a merge knows about Y, in nats.

    Parameters
    ----------
    all, rest, own
        I(Y; all streams), I(Y; all but this one), I(Y; this one).
    added
        ``all`` − ``rest``: what would be lost with the stream; unique and synergy together.
    unique, shared, synergy
        What only this stream knows, what it and the others know both, and what neither knows alone.
        Each can be below zero, where knowing misleads for some samples.
    added_null, added_null_high
        Mean and 95 % quantile of ``added`` when the classes are shuffled among the samples: what
        the stream adds by telling samples apart, whatever their classes.
    all_null_high, rest_null_high
        95 % quantiles of ``all`` and of ``rest`` for shuffled classes.
    is_saturated
        Whether the other streams are at the ceiling, for shuffled classes, too: nothing could be
        added, whatever the net has learned.
    is_separated
        Whether the other streams are at the ceiling, and not for shuffled classes: they tell the
        classes of these samples apart, and nothing is left to be added.
    """

    all: float
    rest: float
    own: float
    added: float
    unique: float
    shared: float
    synergy: float
    added_ci_low: float
    added_ci_high: float
    unique_ci_low: float
    unique_ci_high: float
    shared_ci_low: float
    shared_ci_high: float
    synergy_ci_low: float
    synergy_ci_high: float
    added_null: float
    added_null_high: float
    all_null_high: float
    rest_null_high: float
    is_saturated: bool
    is_separated: bool


#: The names of what is in nats.
QUANTITIES = tuple(field.name for field in fields(StreamPart) if field.type == "float")


def measure_streams(exponents: Sequence[Callable[[], Tensor]], classes: Tensor) -> list[StreamPart]:
    """Return what each of the streams knows about Y.

    Parameters
    ----------
    exponents
        For each stream, what gives its (N, N) squared distances over twice the noise variance. They
        are made when they are needed, since those of all streams may be too many to keep.
    classes
        (N,) int64 classes, numbered from 0.
    """
    shuffles = Shuffles.of(classes, STREAM_SHUFFLES)
    everything = _about(_sum(exponents), classes, shuffles)
    if len(exponents) == 2:
        # each of two is what is left without the other
        one, other = (_about(make(), classes, shuffles) for make in exponents)
        return [part_of(one, other, everything, classes), part_of(other, one, everything, classes)]
    return [
        part_of(
            _about(make(), classes, None),
            _about(_sum([*exponents[:number], *exponents[number + 1 :]]), classes, shuffles),
            everything,
            classes,
        )
        for number, make in enumerate(exponents)
    ]


def _sum(exponents: Sequence[Callable[[], Tensor]]) -> Tensor:
    """Add up what may differ by many orders; differences of such sums would lose the small ones."""
    total = exponents[0]().to(torch.float64, copy=True)
    for make in exponents[1:]:
        total += make()
    return total


@dataclass(frozen=True)
class Known:
    """Sums of kernels, information about Y, and what it is for each shuffle of the classes."""

    sums: Sums
    information: Information
    shuffles: Tensor


def _about(exponents: Tensor, classes: Tensor, shuffles: Shuffles | None) -> Known:
    return known_from(kernel_sums([exponents.to(torch.float64)], classes, shuffles), classes)


def known_from(sums: Sums, classes: Tensor) -> Known:
    """Return what sums of kernels say about the classes."""
    return Known(sums, about_classes(sums, classes), about_shuffled_classes(sums, classes))


def part_of(one: Known, others: Known, everything: Known, classes: Tensor) -> StreamPart:
    """Return what one stream knows, by itself, beside the others, and with them."""
    own, rest = one.information, others.information
    added = everything.information - rest
    shared = shared_about_classes(one.sums, others.sums, everything.sums, classes)
    unique = own - shared
    parts = {"added": added, "unique": unique, "shared": shared, "synergy": added - unique}
    most = math.log(len(classes))
    ends = {
        name: jackknife_interval(part.value, part.replicates, -most, most)
        for name, part in parts.items()
    }
    null = null_of(everything.shuffles - others.shuffles)
    rest_null_high = null_of(others.shuffles).high
    at_ceiling = (rest.value, rest_null_high, label_entropy(classes))
    return StreamPart(
        all=everything.information.value,
        rest=rest.value,
        own=own.value,
        **{name: part.value for name, part in parts.items()},
        **{f"{name}_ci_low": end.low for name, end in ends.items()},
        **{f"{name}_ci_high": end.high for name, end in ends.items()},
        added_null=null.mean,
        added_null_high=null.high,
        all_null_high=null_of(everything.shuffles).high,
        rest_null_high=rest_null_high,
        is_saturated=is_arithmetic(*at_ceiling),
        is_separated=is_separated(*at_ceiling),
    )
