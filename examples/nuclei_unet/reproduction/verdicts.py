"""A claim, what each seed says of it, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from reproduction.study import Seed

Verdict = Literal["reproduced", "not reproduced", "cannot tell at this scale"]
CANNOT: Verdict = "cannot tell at this scale"


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
        Why it cannot tell.
    """

    holds: bool | None
    text: str
    value: float = math.nan
    why: str = ""


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
    """

    name: str
    words: str
    number: str
    read: Callable[[Seed], Answer]
    note: str


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Parameters
    ----------
    claim
        The claim.
    ours
        What the seeds of each variant say, joined.
    verdict, why
        The verdict, and why in a line.
    """

    claim: Claim
    ours: str
    verdict: Verdict
    why: str


def judge(claim: Claim, seeds: Sequence[Seed]) -> Judged:
    """Return the verdict of all seeds together; one that cannot tell has no vote."""
    answers = [(seed, claim.read(seed)) for seed in seeds]
    votes = [answer.holds for _, answer in answers if answer.holds is not None]
    verdict, reason = _verdict(votes, [answer for _, answer in answers])
    return Judged(claim, _ours(answers), verdict, f"{reason}. {claim.note}")


def _verdict(votes: list[bool], answers: list[Answer]) -> tuple[Verdict, str]:
    if not votes:
        return CANNOT, next((answer.why for answer in answers if answer.why), "no run tells")
    yes, silent = sum(votes), len(answers) - len(votes)
    tail = f", {silent} cannot tell" if silent else ""
    if len(votes) == 1:
        word = "holds" if yes else "does not hold"
        return ("reproduced" if yes else "not reproduced"), f"It {word} in the one run{tail}"
    if yes in (0, len(votes)):
        word = "hold" if yes else "does not hold"
        text = f"It holds in all {len(votes)} runs" if yes else f"It {word} in any of {len(votes)}"
        return ("reproduced" if yes else "not reproduced"), f"{text}{tail}"
    return CANNOT, f"Runs disagree: it holds in {yes} of {len(votes)}{tail}"


def _ours(answers: Sequence[tuple[Seed, Answer]]) -> str:
    groups: dict[str, list[Answer]] = {}
    for seed, answer in answers:
        groups.setdefault(seed.variant, []).append(answer)
    return "; ".join(f"{variant}: {_joined(group)}" for variant, group in groups.items())


def _joined(answers: list[Answer]) -> str:
    """Return the seeds' numbers with their spread, or their words one after another."""
    values = [answer.value for answer in answers]
    if len(answers) == 1:
        return answers[0].text
    if any(not math.isfinite(value) for value in values):
        return " | ".join(answer.text for answer in answers)
    mean = sum(values) / len(values)
    return f"{mean:.3g} ({min(values):.3g} to {max(values):.3g}, {len(values)} seeds)"


def clock_text(clock: float) -> str:
    """Return one of the paper's epochs in words.

    Examples
    --------
    >>> clock_text(4250.0), clock_text(float("inf"))
    ('4,250', 'never')
    """
    return f"{clock:,.0f}" if math.isfinite(clock) else "never"
