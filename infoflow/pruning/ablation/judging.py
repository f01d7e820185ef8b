"""Verdicts from intervals and from what the metric forbids."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.bench import Bench, Scores
from infoflow.pruning.ablation.bounds import (
    FEWEST_TO_PRUNE,
    Interval,
    Verdict,
    bits_interval,
    samples_needed,
    verdict,
)
from infoflow.pruning.ablation.metric_loss import GroupLoss, MetricLoss, metric_loss, objection
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
class Rules:
    """What verdicts rest on, beside intervals.

    Parameters
    ----------
    tolerance, metric_tolerance
        What may be lost, in bits per label, and in units of the metric.
    needs_proof
        Whether the metric must be shown to lose less than its tolerance.
    ignorance
        Why no verdict can be firm; empty where one can.
    """

    tolerance: float
    metric_tolerance: float
    needs_proof: bool = False
    ignorance: str = ""


@dataclass(frozen=True)
class Judgement:
    """A verdict, the reason in words, and how many more samples would tell."""

    verdict: Verdict
    reason: str
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
    largest_rise
        How many bits per label a sample can lose at most; None where that is not known.
    """

    def __init__(
        self,
        bench: Bench,
        whole: Scores,
        metric: float = math.nan,
        largest_rise: float | None = None,
    ) -> None:
        held_out = bench.held_out
        self._bench = bench
        self.whole = whole.part(held_out.parts.judge, held_out.measured)
        self._metric = metric
        self._largest_rise = largest_rise
        self._groups: NDArray[np.int64] | None = None
        if held_out.classes is not None:
            self._groups = held_out.classes[held_out.parts.judge]
        if bench.loss.is_ratio and self.whole.mean_bits == 0:
            raise ArgumentError(
                "The whole net predicts every judging sample without any error, so squared errors "
                "have no ratio; expected a mean squared error above 0. Pass loss=, a function from "
                "(output, target) to the loss of each sample in nats."
            )

    def judge(self, scores: Scores, metric: float = math.nan) -> Judged:
        """Return what a net loses, by its scores on the samples that judge."""
        pairs = paired(self._bench.loss, self.whole.sample_bits, scores.sample_bits)
        bits = bits_interval(pairs, largest_rise=self._largest_rise)
        return Judged(bits, self._metric_loss(scores, metric))

    def _metric_loss(self, scores: Scores, metric: float) -> MetricLoss | None:
        chosen = self._bench.metric
        if chosen is None:
            return None
        if chosen.of == "net":
            return None if math.isnan(metric) else metric_loss(chosen, self._metric, metric)
        assert self.whole.metric is not None
        assert scores.metric is not None
        return metric_loss(chosen, self.whole.metric, scores.metric, groups=self._groups)


def decide(judged: Judged, rules: Rules) -> Judgement:
    """Return the verdict on a net: by its bits, and the metric can only speak against it.

    Where the metric is shown to lose more than its tolerance, the streams stay, whatever the bits
    say; where it may, what the bits call *prune* is *cannot tell*.
    """
    if rules.ignorance:
        return Judgement("cannot tell", rules.ignorance)
    by_bits = _by_bits(judged.bits, rules.tolerance)
    if judged.metric is None or by_bits.verdict == "keep":
        return by_bits
    found = objection(judged.metric, rules.metric_tolerance, needs_proof=rules.needs_proof)
    if found is None:
        return by_bits
    if found.is_shown:
        return Judgement("keep", found.reason, 0)
    return Judgement("cannot tell", found.reason) if by_bits.verdict == "prune" else by_bits


def _by_bits(interval: Interval, tolerance: float) -> Judgement:
    found = verdict(interval, tolerance)
    if found == "prune":
        most = max(interval.high, interval.robust_high)
        return Judgement(
            found, f"loses at most {most:.2g}, below the tolerance of {tolerance:.2g}", 0
        )
    if found == "keep":
        least = min(interval.low, interval.robust_low)
        return Judgement(
            found, f"loses at least {least:.2g}, above the tolerance of {tolerance:.2g}", 0
        )
    more = samples_needed(interval, tolerance)
    return Judgement(found, _doubt(interval, tolerance, more), more)


def _doubt(interval: Interval, tolerance: float, more: int | None) -> str:
    """Say why bits do not tell, and what would."""
    would = ", next to the estimate, so that more samples would hardly tell"
    if more is not None:
        would = f"; about {about(more)} more judging samples would tell"
    if max(interval.high, interval.robust_high) < tolerance:
        least = f"{FEWEST_TO_PRUNE} judging samples, got {interval.samples}"
        return f"loses little, but that needs at least {least}{would}"
    return f"the tolerance of {tolerance:.2g} lies within the interval{would}"


def about(count: int) -> str:
    """Return a number of samples, rounded up to two digits.

    Examples
    --------
    >>> about(7), about(136), about(23_456)
    ('7', '140', '24,000')
    """
    step = 10 ** max(len(str(count)) - 2, 0)
    return f"{-(-count // step) * step:,}"


def worst_group(lost: MetricLoss) -> GroupLoss | None:
    """Return the group that surely loses most: that of the highest lower end."""
    known = [group for group in lost.groups if not math.isnan(group.low)]
    return max(known, key=lambda group: group.low, default=None)
