"""All that an ablation found, before it becomes a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infoflow.interface import Skip
from infoflow.pruning.ablation.bench import Bench, Scores
from infoflow.pruning.ablation.bounds import Interval
from infoflow.pruning.ablation.judging import Judged
from infoflow.pruning.ablation.nets import Examined
from infoflow.pruning.ablation.residual_order import Residuals
from infoflow.pruning.ablation.screening import Screen
from infoflow.pruning.ablation.tolerance import Tolerance


@dataclass(frozen=True, eq=False)
class Point:
    """A set of streams of the frontier: what was measured of it, and what the judges say."""

    examined: Examined
    judged: Judged


@dataclass(frozen=True, eq=False)
class Findings:
    """All that an ablation found.

    Parameters
    ----------
    bench
        What it is of.
    whole
        The whole net's scores on all samples that choose or judge.
    streams
        The streams, in the order of the graph.
    plain, mended
        By name of a stream, what the net without it loses as it is, and mended.
    examined
        By name of a stream, the best net without it.
    refused
        By name, why a stream cannot go.
    points
        The frontier, the smallest set first.
    screen
        What a backward pass says of all streams, or None.
    residuals
        What a linear refit cannot bring back, or None.
    allowed
        What the caller allows, and says of a sample.
    known
        How many bits the whole net's prediction knows; None where that cannot be said.
    tolerance, metric_tolerance
        What may be lost, in bits per label, and in units of the metric.
    menders
        What was tried beside the plain cut.
    mending_samples
        How many samples mended, and their digest.
    costs
        By stage, its time in forward passes of the whole net over the samples that were measured.
    shares
        Shapley shares by name, where they were asked for.
    whole_metric
        The whole net's metric on the samples that judge, NaN without one.
    notes
        What is to be said.
    """

    bench: Bench
    whole: Scores
    streams: tuple[Skip, ...]
    plain: Mapping[str, Judged]
    mended: Mapping[str, Judged]
    examined: Mapping[str, Examined]
    refused: Mapping[str, str]
    points: tuple[Point, ...]
    screen: Screen | None
    residuals: Residuals | None
    allowed: Tolerance
    known: Interval | None
    tolerance: float
    metric_tolerance: float
    menders: tuple[str, ...]
    mending_samples: tuple[int, str]
    costs: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    whole_metric: float = float("nan")
    notes: tuple[str, ...] = ()
