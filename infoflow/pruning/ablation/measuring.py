"""From a session to all that an ablation found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from infoflow.graph.text_table import listed
from infoflow.pruning.ablation.bench import Bench, Scores
from infoflow.pruning.ablation.bounds import Interval, default_tolerance
from infoflow.pruning.ablation.findings import Findings, Point
from infoflow.pruning.ablation.judging import Judge, Judged, Rules, decide
from infoflow.pruning.ablation.known import known_bits
from infoflow.pruning.ablation.nets import Examined
from infoflow.pruning.ablation.repairing import Refit
from infoflow.pruning.ablation.sets import SetSearch
from infoflow.pruning.ablation.stages import Session
from infoflow.pruning.ablation.tolerance import Tolerance, default_metric_tolerance

Sets = Literal["frontier", "all"] | None

#: Mending ends where a net loses no more than this share of the tolerance.
ENOUGH = 0.1


def measure(session: Session, allowed: Tolerance, refit: Refit | None, sets: Sets) -> Findings:
    """Measure streams one by one, then sets of them, and judge both."""
    bench = session.bench
    metric = whole_metric(bench, session.whole)
    judge = Judge(bench, session.whole, metric, allowed.largest_rise)
    known = known_bits(bench, judge.whole)
    rules = rules_of(judge.whole, metric, known, bench, allowed)
    ranked = session.screen
    plain = {name: _judged(judge, bench, scores) for name, scores in session.plain.items()}
    enough = ENOUGH * rules.tolerance if len(session.menders) > 1 else -math.inf
    examined = session.examine_each(enough)
    mended = _all_judged(judge, examined) if session.menders else {}
    best = mended if session.menders else plain
    alone = {name for name, one in best.items() if decide(one, rules).verdict == "prune"}
    search = SetSearch(session, examined, enough)
    points = search.frontier(rules.tolerance, alone).points if sets is not None else ()
    return Findings(
        bench=bench,
        whole=session.whole,
        streams=session.streams,
        plain=plain,
        mended=mended,
        examined=examined,
        refused=session.refused,
        points=tuple(Point(one, judge.judge(one.scores, one.metric)) for one in points),
        screen=ranked,
        residuals=session.residuals,
        allowed=allowed,
        known=known,
        tolerance=rules.tolerance,
        metric_tolerance=rules.metric_tolerance,
        menders=session.menders,
        mending_samples=(0, "") if refit is None else (refit.count, refit.fingerprint),
        shares=search.shapley() if sets == "all" else {},
        costs=session.costs(),
        whole_metric=metric,
        notes=(*session.notes, *_notes(best, rules, bench)),
    )


def rules_of(
    whole: Scores, metric: float, known: Interval | None, bench: Bench, allowed: Tolerance
) -> Rules:
    """Return what the caller allows, with the defaults where nothing was said."""
    bits = allowed.bits
    if bits is None:
        value = None if known is None else known.value
        bits = default_tolerance(whole.mean_bits, known=value, is_ratio=bench.loss.is_ratio)
    of_metric = allowed.metric
    if of_metric is None:
        of_metric = default_metric_tolerance(metric, whole.metric)
    return Rules(bits, of_metric, needs_proof=allowed.metric is not None)


def _notes(best: Mapping[str, Judged], rules: Rules, bench: Bench) -> tuple[str, ...]:
    """Say which nets predict better than the whole one, and that a metric is 0."""
    notes = []
    names = [name for name, judged in best.items() if judged.bits.high < -rules.tolerance]
    if names:
        notes.append(
            f"without {listed(names)}, the net predicts better than whole, by more than the "
            "tolerance: the whole net's batch norms may be stale, or its training has not ended. "
            "Refresh them with torch.optim.swa_utils.update_bn(training, model), or train on, and "
            "ablate again"
        )
    if bench.metric is not None and math.isnan(rules.metric_tolerance):
        notes.append(
            f"the whole net's {bench.metric.name} is 0, so no share of it can be a tolerance, and "
            "it forbids nothing. Pass tolerance=infoflow.Tolerance(metric=...)"
        )
    return tuple(notes)


def _judged(judge: Judge, bench: Bench, scores: Scores) -> Judged:
    held_out = bench.held_out
    return judge.judge(scores.part(held_out.parts.judge, held_out.measured))


def _all_judged(judge: Judge, examined: dict[str, Examined]) -> dict[str, Judged]:
    return {name: judge.judge(one.scores, one.metric) for name, one in examined.items()}


def whole_metric(bench: Bench, whole: Scores) -> float:
    """Return the whole net's metric, on the samples that judge; NaN without one."""
    if bench.metric is None:
        return math.nan
    if bench.metric.of == "net":
        return bench.metric.of_net(bench.model)
    judged = whole.part(bench.held_out.parts.judge, bench.held_out.measured)
    assert judged.metric is not None
    known = judged.metric[~np.isnan(judged.metric)]
    return float(known.mean()) if len(known) else math.nan
