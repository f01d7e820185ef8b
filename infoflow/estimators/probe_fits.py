"""The fits of one fold: streams are standardised once, and all sets of them are fitted together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from infoflow.estimators.hidden import hidden_probes
from infoflow.estimators.linear import linear_probes
from infoflow.estimators.probe_features import as_features
from infoflow.estimators.probes import (
    Question,
    mean_and_spread,
    mixed_losses,
    moments_of,
    standardised,
)


class Fits:
    """Probes of streams, fold by fold.

    Parameters
    ----------
    streams
        (rows, d), or maps (rows, d, h, w).
    folds
        The rows of each fold.
    family
        ``"linear"``, or another for probes with a hidden layer.
    """

    def __init__(self, streams: Sequence[Tensor], folds: Sequence[Tensor], family: str) -> None:
        self._streams = [as_features(stream) for stream in streams]
        self._moments = [moments_of(stream, folds) for stream in self._streams]
        self._is_linear = family == "linear"

    @property
    def device(self) -> torch.device:
        """Where the streams are."""
        return self._streams[0].device if self._streams else torch.device("cpu")

    def losses(
        self, sets: Sequence[Sequence[int]], question: Question, order: Tensor, fold: int
    ) -> list[Tensor]:
        """Return the losses, in nats, of the rows that are held out, for each set of streams.

        Parameters
        ----------
        sets
            Numbers of the streams of each set.
        question
            Classes of the rows, in their order.
        order
            Rows of the streams: those to fit, those to check, and those of the fold held out.
        fold
            Number of that fold.
        """
        held_out = question.classes[question.split.held_out]
        null = -question.prior.log()[held_out]
        asked = [number for number, members in enumerate(sets) if members]
        found = [null] * len(sets)
        if asked:
            logs = self._fit([sets[number] for number in asked], question, order, fold)
            for number, log_probabilities in zip(asked, logs, strict=True):
                found[number] = mixed_losses(log_probabilities, question)
        return found

    def _fit(
        self, sets: Sequence[Sequence[int]], question: Question, order: Tensor, fold: int
    ) -> list[Tensor]:
        used = sorted({stream for members in sets for stream in members})
        scaled = {stream: self._standardised(stream, order, fold) for stream in used}
        if scaled[used[0]].ndim == 4:
            maps = (_side_by_side([scaled[stream] for stream in members]) for members in sets)
            return [hidden_probes([joined], [[0]], question)[0] for joined in maps]
        probes = linear_probes if self._is_linear else hidden_probes
        places = [[used.index(stream) for stream in members] for members in sets]
        return probes(list(scaled.values()), places, question)

    def _standardised(self, stream: int, order: Tensor, fold: int) -> Tensor:
        """Return a stream with mean 0 and variance 1 over the rows that are not held out."""
        features, moments = self._streams[stream], self._moments[stream]
        training = [part for number, part in enumerate(moments) if number != fold]
        return standardised(features, order, *mean_and_spread(training, features.dtype))


def _side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Put maps side by side, the smaller brought to the largest one's size."""
    size = [max(part.shape[axis] for part in maps) for axis in (2, 3)]
    return torch.cat(
        [part if list(part.shape[2:]) == size else F.interpolate(part, size) for part in maps],
        dim=1,
    )
