"""Verdicts from few samples, and what many other samples say of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from evidence.recording import Floats, Rows, groups
from infoflow.pruning.ablation.bounds import bits_interval, default_tolerance, verdict
from infoflow.pruning.ablation.judging import Judged, Rules, decide
from infoflow.pruning.ablation.metric_loss import metric_loss
from infoflow.pruning.ablation.metrics import Metric
from infoflow.pruning.ablation.pairs import Paired
from infoflow.pruning.ablation.tolerance import default_metric_tolerance

SIZES = (64, 128, 256, 512)
#: Of the default tolerance. CRITERIA.md speaks of the first three; the others were added when the
#: first half had shown how few verdicts 256 samples give on a net whose own loss is small.
FACTORS = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Of each size, so many disjoint groups of judging samples at most.
GROUPS = 10


@dataclass(frozen=True)
class Truth:
    """Bits lost on many samples that neither mended, chose nor judged, with a 95 % interval."""

    value: float
    low: float
    high: float

    def contradicts(self, said: str, tolerance: float) -> bool:
        """Tell whether the interval lies wholly on the other side of the tolerance."""
        if said == "prune":
            return self.low > tolerance
        return said == "keep" and self.high < tolerance


def pairs_of(whole: Floats, other: Floats, is_ratio: bool) -> Paired:
    """Return what each sample loses more, as the verdict takes it; all samples have one label."""
    weights = whole if is_ratio else np.ones_like(whole)
    return Paired(other - whole, weights, is_ratio=is_ratio)


def truth_of(whole: Floats, other: Floats, is_ratio: bool, level: float = 0.95) -> Truth:
    """Return the bits lost with a normal interval: of the mean, or of ½ log₂ of a ratio of means.

    This is the study's own arithmetic, by the delta method.

    Examples
    --------
    >>> whole, other = np.array([1.0, 2.0, 1.0, 2.0]), np.array([2.0, 4.0, 2.0, 4.0])
    >>> truth_of(whole, other, is_ratio=True)
    Truth(value=0.5, low=0.5, high=0.5)
    """
    count = len(whole)
    if is_ratio:
        value = 0.5 * math.log2(other.mean() / whole.mean())
        each = (other / other.mean() - whole / whole.mean()) / (2 * math.log(2))
    else:
        value, each = float((other - whole).mean()), other - whole
    reach = float(stats.norm.ppf(0.5 + level / 2) * each.std(ddof=1) / math.sqrt(count))
    return Truth(value, value - reach, value + reach)


@dataclass
class Tally:
    """How often verdicts of one kind were given, and how often they were wrong.

    Parameters
    ----------
    how, samples, factor
        Of which net, from how many samples, at which multiple of the default tolerance.
    given, prune, keep, wrong
        Number of cases, of those with a firm verdict, and of those that the test part contradicts.
    held
        In how many cases the interval held the loss on the test part.
    firm_with_metric
        Of how many cases the verdict is firm where the metric vetoes, too.
    """

    how: str
    samples: int
    factor: float
    given: int = 0
    prune: int = 0
    keep: int = 0
    wrong: int = 0
    held: int = 0
    firm_with_metric: int = 0

    def add(self, judged: Judged, rules: Rules, truth: Truth) -> None:
        """Count a case."""
        said = verdict(judged.bits, rules.tolerance)
        self.given += 1
        self.prune += said == "prune"
        self.keep += said == "keep"
        self.wrong += truth.contradicts(said, rules.tolerance)
        self.held += holds(judged.bits.value, judged.bits.low, judged.bits.high, truth)
        self.firm_with_metric += decide(judged, rules).verdict != "cannot tell"


@dataclass(frozen=True, eq=False)
class Part:
    """A net's losses and metrics on some samples, and what a constant prediction loses there.

    Parameters
    ----------
    losses, scores
        (N,) of each sample.
    """

    losses: Floats
    scores: Floats

    def rows(self, rows: Rows | slice) -> Part:
        """Return some of the samples."""
        return Part(self.losses[rows], self.scores[rows])


#: From rows to what the best constant prediction loses there; None where there is none.
Constant = Callable[[Rows], float | None]


def judged(
    how: str,
    whole: Part,
    others: Sequence[Part],
    judge: Rows,
    test: Rows,
    is_ratio: bool,
    constant: Constant = lambda rows: None,
) -> list[dict[str, Any]]:
    """Return tallies over streams and disjoint groups of judging samples."""
    tallies = {(n, f): Tally(how, n, f) for n in SIZES for f in FACTORS}
    for other in others:
        truth = truth_of(whole.losses[test], other.losses[test], is_ratio)
        for size, rows in _cases(judge):
            few = whole.rows(rows), other.rows(rows)
            found = _judged(*few, is_ratio)
            usual = tolerance_of(float(few[0].losses.mean()), constant(rows), is_ratio)
            share = default_metric_tolerance(math.nan, few[0].scores)
            for factor in FACTORS:
                tallies[size, factor].add(found, Rules(factor * usual, factor * share), truth)
    return [asdict(tally) for tally in tallies.values() if tally.given]


def _judged(whole: Part, other: Part, is_ratio: bool) -> Judged:
    lost = metric_loss(Metric("score", "sample", len), whole.scores, other.scores)
    return Judged(bits_interval(pairs_of(whole.losses, other.losses, is_ratio)), lost)


def tolerance_of(loss: float, constant: float | None, is_ratio: bool) -> float:
    """Return the default tolerance, by what the net and a constant prediction lose."""
    known = None if constant is None else constant - loss
    return default_tolerance(loss, known=known, is_ratio=is_ratio)


def _cases(judge: Rows) -> Iterator[tuple[int, Rows]]:
    for size in SIZES:
        for rows in groups(len(judge), size, GROUPS):
            yield size, judge[rows]


def holds(value: float, low: float, high: float, truth: Truth) -> bool:
    """Tell whether an interval and the truth agree, the truth's own error allowed for.

    The distance may be the root of the sum of the squares of both half widths, each on the side of
    the other. Two exact intervals of independent normal means agree so in 95 % of cases.

    Examples
    --------
    >>> holds(0.0, -3.0, 3.0, Truth(5.0, 1.0, 9.0)), holds(0.0, -3.0, 3.0, Truth(5.1, 1.1, 9.1))
    (True, False)
    """
    if truth.value >= value:
        reach = math.hypot(high - value, truth.value - truth.low)
    else:
        reach = math.hypot(value - low, truth.high - truth.value)
    return abs(truth.value - value) <= reach
