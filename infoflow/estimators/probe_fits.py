"""Cross-fitted probes: streams are standardised once, all folds and sets fitted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from infoflow.estimators.hidden import hidden_probes
from infoflow.estimators.linear import linear_probes
from infoflow.estimators.probe_features import as_features
from infoflow.estimators.probes import (
    Question,
    Scaling,
    mean_and_spread,
    mixed_losses,
    moments_of,
    scalings_of,
    standardised,
)


def held_out_losses(
    streams: Sequence[Tensor],
    sets: Sequence[Sequence[int]],
    questions: Sequence[Question],
    family: str,
) -> list[Tensor]:
    """Return the loss, in nats, of every row by the probe that has not seen it, for each set.

    Parameters
    ----------
    streams
        (rows, d), or maps (rows, d, h, w).
    sets
        Numbers of the streams of each set. Without any, its losses are the null's.
    questions
        A question for each fold; every row is held out by one of them.
    family
        ``"linear"``, or another for probes with a hidden layer.
    """
    rows = len(questions[0].classes)
    found = [torch.empty(rows, dtype=torch.float64, device="cpu") for _ in sets]
    for number, members in enumerate(sets):
        for question in questions if not members else ():
            held_out = question.split.held_out
            losses = -question.prior.log()[question.classes[held_out]]
            found[number][held_out.cpu()] = losses.cpu()
    asked = [number for number, members in enumerate(sets) if members]
    if asked:
        logs = iter(_logs(streams, [sets[number] for number in asked], questions, family))
        for question in questions:
            for number in asked:
                losses = mixed_losses(next(logs), question)
                found[number][question.split.held_out.cpu()] = losses.cpu()
    return found


def _logs(
    streams: Sequence[Tensor],
    sets: Sequence[Sequence[int]],
    questions: Sequence[Question],
    family: str,
) -> list[Tensor]:
    """Return log probabilities of the held-out rows, for each question and set."""
    used = sorted({stream for members in sets for stream in members})
    scaled, scalings = [], []
    for stream in used:
        values, scaling = _standardised(as_features(streams[stream]), questions)
        scaled.append(values)
        scalings.append(scaling)
    asked = [
        replace(question, scalings=parts)
        for question, parts in zip(questions, zip(*scalings, strict=True), strict=True)
    ]
    places = [[used.index(stream) for stream in members] for members in sets]
    if scaled[0].ndim == 4:
        by_set = [_of_maps(scaled, members, asked) for members in places]
        return [found[at] for at in range(len(asked)) for found in by_set]
    probes = linear_probes if family == "linear" else hidden_probes
    return probes(scaled, places, *asked)


def _standardised(features: Tensor, questions: Sequence[Question]) -> tuple[Tensor, list[Scaling]]:
    """Return a stream, near mean 0 and variance 1, and what brings it there for each question."""
    parts = moments_of(features, [question.split.held_out for question in questions])
    moments = [
        mean_and_spread([*parts[:fold], *parts[fold + 1 :]], features.dtype)
        for fold in range(len(parts))
    ]
    common, scalings = scalings_of(moments)
    return standardised(features, *common), scalings


def _of_maps(
    maps: Sequence[Tensor], members: Sequence[int], questions: Sequence[Question]
) -> list[Tensor]:
    """Return log probabilities for each question, from maps that are put side by side."""
    joined = _side_by_side([maps[stream] for stream in members])
    asked = [replace(question, scalings=[question.joined(maps, members)]) for question in questions]
    return hidden_probes([joined], [[0]], *asked)


def _side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Put maps side by side, the smaller brought to the largest one's size."""
    size = [max(part.shape[axis] for part in maps) for axis in (2, 3)]
    return torch.cat(
        [part if list(part.shape[2:]) == size else F.interpolate(part, size) for part in maps],
        dim=1,
    )
