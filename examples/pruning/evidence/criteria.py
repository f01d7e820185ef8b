"""The criteria of CRITERIA.md, judged on each half of the nets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evidence.ranking import Summary, correlations, mean_of_nets
from evidence.tables import HALVES, Row, pooled_verdicts


@dataclass(frozen=True)
class Criterion:
    """What is asked of a half of the nets.

    Parameters
    ----------
    name, asked
        In words.
    value
        Returns the number of a half, NaN where it was not measured.
    is_met
        Tells whether a number is as asked.
    form
        How the number is written.
    """

    name: str
    asked: str
    value: Callable[[Sequence[Summary]], float]
    is_met: Callable[[float], bool]
    form: str = ".1%"


def share_of_verdicts(summaries: Sequence[Summary], *names: str) -> float:
    """Return the share of mended nets' cases, at 256 samples and the default tolerance."""
    halves = {one["half"] for one in summaries}
    pooled = pooled_verdicts(summaries)
    counts = [pooled[h, "mended", 256, 1.0] for h in halves if (h, "mended", 256, 1.0) in pooled]
    given = sum(count["given"] for count in counts)
    return sum(count[name] for count in counts for name in names) / given if given else math.nan


def share_wrong(summaries: Sequence[Summary]) -> float:
    """Return the wrong verdicts' share of the firm ones."""
    firm = share_of_verdicts(summaries, "prune", "keep")
    return share_of_verdicts(summaries, "wrong") / firm if firm else math.nan


def share_held(summaries: Sequence[Summary]) -> float:
    """Return how often the interval held, of mended nets, over all sample sizes."""
    cases = {
        key: n for key, n in pooled_verdicts(summaries).items() if key[1::2] == ("mended", 1.0)
    }
    given = sum(count["given"] for count in cases.values())
    return sum(count["held"] for count in cases.values()) / given if given else math.nan


def rank_correlation(summaries: Sequence[Summary]) -> float:
    """Return how well a plain cut's bits on judging samples rank those on the test part."""
    return mean_of_nets(correlations(summaries, ("plain", "judge"), "plain"))


def share_of_promises(summaries: Sequence[Summary]) -> float:
    """Return the share of frontier points that cost what they promised on the test part."""
    points = [point for one in summaries for point in one.get("frontier", ())]
    return sum(point["kept"] for point in points) / len(points) if points else math.nan


CRITERIA = (
    Criterion(
        "firm verdicts, mended, 256 samples, default tolerance",
        "at least 80 %",
        lambda half: share_of_verdicts(half, "prune", "keep"),
        lambda share: share >= 0.8,
    ),
    Criterion("wrong, of firm verdicts", "at most 2 %", share_wrong, lambda share: share <= 0.02),
    Criterion(
        "the 95 % interval holds", "92 to 98 %", share_held, lambda share: 0.92 <= share <= 0.98
    ),
    Criterion(
        "rank correlation, plain cut",
        "at least 0.85",
        rank_correlation,
        lambda value: value >= 0.85,
        ".2f",
    ),
    Criterion(
        "frontier points that keep their promise",
        "at least 90 %",
        share_of_promises,
        lambda share: share >= 0.9,
    ),
)


def criteria_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return a row for each criterion: what was asked, and what each half shows."""
    rows = []
    for criterion in CRITERIA:
        row = {"criterion": criterion.name, "asked of the second half": criterion.asked}
        for half, name in HALVES.items():
            value = criterion.value([one for one in summaries if one["half"] == half])
            known = "not measured" if math.isnan(value) else format(value, criterion.form)
            row[f"{name} half"] = known
            if half == 2:
                row["met"] = "" if math.isnan(value) else _yes(criterion.is_met(value))
        rows.append(row)
    return rows


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
