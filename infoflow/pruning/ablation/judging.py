"""Verdicts from intervals and the metric's veto."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infoflow.pruning.ablation.bench import Bench, Scores
from infoflow.pruning.ablation.bounds import (
    Interval,
    Verdict,
    bits_interval,
    samples_needed,
    verdict,
)
from infoflow.pruning.ablation.metric_loss import GroupLoss, MetricLoss, metric_loss, veto
from infoflow.pruning.ablation.pairs import paired


@dataclass(frozen=True)
class Judged:
    """What a net without streams loses, on the samples that judge.

    Parameters
    ----------
    bits
        Rise of the loss in bits per label, with its interval.
    metric
        What is lost of the user's metric, or None.
    """

    bits: Interval
    metric: MetricLoss | None = None


@dataclass(frozen=True)
class Judgement:
    """A verdict, why the metric speaks against it, and how many more samples would tell."""

    verdict: Verdict
    veto: str = ""
    more_samples: int | None = None


class Judge:
    """Compares nets with the whole net on the samples that judge.

    Parameters
    ----------
    bench
        What the ablation is of.
    whole
        The whole net's scores on all samples that choose or judge.
    metric
        The whole net's metric, where it is a function of a net; else NaN.
    """

    def __init__(self, bench: Bench, whole: Scores, metric: float = math.nan) -> None:
        held_out = bench.held_out
        self._bench = bench
        self._whole = whole.part(held_out.parts.judge, held_out.measured)
        self._metric = metric
        self._groups: NDArray[np.int64] | None = None
        if held_out.classes is not None:
            self._groups = held_out.classes[held_out.parts.judge]

    @property
    def whole_bits(self) -> float:
        """Bits per label that the whole net loses."""
        return self._whole.mean_bits

    def judge(self, scores: Scores, metric: float = math.nan) -> Judged:
        """Return what a net loses, by its scores on the samples that judge."""
        pairs = paired(self._bench.loss, self._whole.sample_bits, scores.sample_bits)
        return Judged(bits_interval(pairs), self._metric_loss(scores, metric))

    def _metric_loss(self, scores: Scores, metric: float) -> MetricLoss | None:
        chosen = self._bench.metric
        if chosen is None:
            return None
        if chosen.of == "net":
            return None if math.isnan(metric) else metric_loss(chosen, self._metric, metric)
        assert self._whole.metric is not None
        assert scores.metric is not None
        return metric_loss(chosen, self._whole.metric, scores.metric, groups=self._groups)


def decide(judged: Judged, tolerance: float, metric_tolerance: float) -> Judgement:
    """Return the verdict on a net: by its bits, and the metric can only speak against it.

    Where the metric is shown to lose more than its tolerance, the streams stay; where it may, the
    verdict is "cannot tell".
    """
    found = verdict(judged.bits, tolerance)
    more = samples_needed(judged.bits, tolerance) if found == "cannot tell" else 0
    against = "" if judged.metric is None else veto(judged.metric, metric_tolerance)
    if found != "prune" or not against or judged.metric is None:
        return Judgement(found, against, more)
    return Judgement(_vetoed(judged.metric, metric_tolerance), against, None)


def _vetoed(lost: MetricLoss, tolerance: float) -> Verdict:
    low = lost.value if math.isnan(lost.low) else lost.low
    is_shown = low > tolerance or any(group.low > tolerance for group in lost.groups)
    return "keep" if is_shown else "cannot tell"


def worst_group(lost: MetricLoss) -> GroupLoss | None:
    """Return the group that surely loses most: that of the highest lower end."""
    known = [group for group in lost.groups if not math.isnan(group.low)]
    return max(known, key=lambda group: group.low, default=None)
