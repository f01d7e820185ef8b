"""A claim, what each seed says of it, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from reproduction.study import Seed

Verdict = Literal["reproduced", "not reproduced", "cannot tell at this scale"]
CANNOT: Verdict = "cannot tell at this scale"
#: An epoch of the paper is met within this factor, since clocks agree only roughly.
SLACK = 2.0


@dataclass(frozen=True)
class Answer:
    """What one seed says.

    Parameters
    ----------
    holds
        Whether the claim holds; None where the seed cannot tell.
    text
        Its number, in words.
    value
        The number, where it is one.
    why
        Why it cannot tell, or what to know about it.
    form
        How such a number is written: for the spread of several seeds.
    """

    holds: bool | None
    text: str
    value: float = math.nan
    why: str = ""
    form: Callable[[float], str] = "{:.3g}".format


@dataclass(frozen=True)
class Claim:
    """A claim, and how it is read from a seed.

    Parameters
    ----------
    name
        Short and unique.
    words
        The claim, in few words.
    number
        The paper's own number; "-" where the question is ours.
    read
        Function from a seed to its answer.
    note
        The criterion, in a line.
    by_clock
        Whether it compares epochs with the paper's, and so holds only as far as the clocks agree.
    """

    name: str
    words: str
    number: str
    read: Callable[[Seed], Answer]
    note: str
    by_clock: bool = False


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Parameters
    ----------
    claim
        The claim.
    ours
        What the seeds of each variant say, joined.
    untrained
        The same of the control: nets that stay untrained, and whether the claim holds for them.
    verdict, why
        The verdict, and why in a line.
    """

    claim: Claim
    ours: str
    untrained: str
    verdict: Verdict
    why: str


def judge(claim: Claim, seeds: Sequence[Seed], factor: float = math.nan) -> Judged:
    """Return the verdict, which the paper's own net gives where it can tell.

    The smaller net gives it where that one cannot; where both can, they have to agree.

    Parameters
    ----------
    claim, seeds
        What is judged, and by which runs; those of a variant vote together.
    factor
        By how much two learning rates disagree at equal learning rate × steps; NaN where that was
        not measured.
    """
    groups = _read(claim, seeds)
    ours, control = _in_words(groups), _control(claim, seeds)
    off = max(factor, 1 / factor) if factor > 0 else math.nan
    if claim.by_clock and off > SLACK:
        reason = f"Clocks of two learning rates differ by a factor of {off:.1f}, above {SLACK:g}"
        return Judged(claim, ours, control, CANNOT, f"{reason}. {claim.note}")
    holds, reasons = [], []
    for variant, group in groups.items():
        vote, reason = _vote(group)
        holds.append(vote)
        reasons.append(f"{variant}: {reason}" if len(groups) > 1 else reason)
    verdict = _verdict([vote for vote in holds if vote is not None])
    answers = [answer for group in groups.values() for answer in group]
    hints = {answer.why for answer in answers if answer.holds is not None and answer.why}
    if verdict == "reproduced" and control.startswith("holds"):
        hints.add("Untrained nets do the same, so it says little of training")
    why = ". ".join([*reasons, *sorted(hints), claim.note])
    return Judged(claim, ours, control, verdict, why)


def _read(claim: Claim, seeds: Sequence[Seed]) -> dict[str, list[Answer]]:
    """Return what the seeds of each variant say, the paper's own net first."""
    groups: dict[str, list[Answer]] = {}
    for seed in sorted(seeds, key=lambda seed: seed.variant != "whole"):
        groups.setdefault(seed.variant, []).append(claim.read(seed))
    return groups


def _in_words(groups: dict[str, list[Answer]]) -> str:
    return "; ".join(f"{variant}: {_joined(group)}" for variant, group in groups.items())


def _control(claim: Claim, seeds: Sequence[Seed]) -> str:
    """Say whether the claim holds for nets that stay untrained, and with which numbers."""
    controls = [seed.never_trained() for seed in seeds]
    groups = _read(claim, [control for control in controls if control is not None])
    answers = [answer.holds for group in groups.values() for answer in group]
    votes = [holds for holds in answers if holds is not None]
    if not votes:
        return "-"
    if len(set(votes)) == 1:
        holds = "holds" if votes[0] else "does not hold"
    else:
        holds = f"holds in {sum(votes)} of {len(votes)}"
    return f"{holds} ({_in_words(groups)})"


def _verdict(votes: list[bool]) -> Verdict:
    if not votes or len(set(votes)) > 1:
        return CANNOT
    return "reproduced" if votes[0] else "not reproduced"


def _vote(answers: list[Answer]) -> tuple[bool | None, str]:
    """Return what the seeds of a variant say together, and how many say it."""
    votes = [answer.holds for answer in answers if answer.holds is not None]
    if not votes:
        return None, next((answer.why for answer in answers if answer.why), "no run tells")
    silent = len(answers) - len(votes)
    tail = f", {silent} cannot tell" if silent else ""
    count = f"holds in {sum(votes)} of {len(votes)} {'seed' if len(votes) == 1 else 'seeds'}{tail}"
    return (votes[0] if len(set(votes)) == 1 else None), count


def _joined(answers: list[Answer]) -> str:
    """Return the seeds' numbers with their spread, or their words one after another."""
    if len(answers) == 1:
        return answers[0].text
    values = [answer.value for answer in answers]
    texts = list(dict.fromkeys(answer.text for answer in answers))
    if len(texts) == 1:
        return f"{texts[0]} ({len(answers)} seeds)"
    if any(not math.isfinite(value) for value in values):
        return " | ".join(answer.text for answer in answers)
    form = answers[0].form
    mean = sum(values) / len(values)
    return f"{form(mean)} ({form(min(values))} to {form(max(values))}, {len(values)} seeds)"


def clock_text(clock: float) -> str:
    """Return one of the paper's epochs in words.

    Examples
    --------
    >>> clock_text(4250.0), clock_text(float("inf"))
    ('4,250', 'never')
    """
    return f"{clock:,.0f}" if math.isfinite(clock) else "never"
