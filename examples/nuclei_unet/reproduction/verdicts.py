"""A claim, what each seed says of it, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common import claims
from common.verdicts import CANNOT, Answer, Verdict, decide, in_words

from reproduction.study import Seed

#: An epoch of the paper is met within this factor, since clocks agree only roughly.
SLACK = 2.0


@dataclass(frozen=True)
class Claim(claims.Claim):
    """A claim, and how it is read from a seed.

    Parameters
    ----------
    name, words, number, note
        As of every claim.
    read
        Function from a seed to its answer.
    by_clock
        Whether it compares epochs with the paper's, and so holds only as far as the clocks agree.
    of_data
        Whether it is about the data alone, so that a net that has not learned can tell, too.
    """

    read: Callable[[Seed], Answer]
    by_clock: bool = False
    of_data: bool = False


@dataclass(frozen=True)
class Judged(claims.Judged):
    """A claim with its verdict.

    Parameters
    ----------
    claim, ours, verdict, why
        As of every claim.
    untrained
        What the control says: nets that stay untrained, and whether the claim holds for them.
    """

    untrained: str


def judge(
    claim: Claim, seeds: Sequence[Seed], factor: float = math.nan, chance: float = math.nan
) -> Judged:
    """Return the verdict, on which all seeds that can tell have to agree.

    A net of which most seeds cannot tell has no say. A claim about epochs has to come out alike
    by clocks that are ``factor`` times as slow and as fast, where rates disagree by more than
    :data:`SLACK`.

    Parameters
    ----------
    claim, seeds
        What is judged, and by which runs; those of a variant vote together.
    factor
        By how much two learning rates disagree at equal learning rate × steps; NaN where that was
        not measured.
    chance
        By how much two seeds at one rate do; NaN likewise.
    """
    groups = _read(claim, seeds)
    verdict, reasons = decide(groups)
    control = _control(claim, seeds)
    off = max(factor, 1 / factor) if factor > 0 else math.nan
    if claim.by_clock and off > SLACK and verdict != CANNOT:
        others = {
            pace: decide(_read(claim, [seed.paced(by) for seed in seeds]))[0]
            for pace, by in (("slow", 1 / off), ("fast", off))
        }
        if set(others.values()) == {verdict}:
            reasons.insert(0, f"So by clocks {off:.1f} times as slow and as fast")
        else:
            reasons = _torn(verdict, others, off, max(chance, 1 / chance))
            verdict = CANNOT
    if verdict == "reproduced" and control.hint:
        reasons.append(control.hint)
    why = ". ".join([*reasons, claim.note])
    return Judged(claim, in_words(groups), verdict, why, control.text)


def _torn(verdict: Verdict, others: dict[str, Verdict], off: float, chance: float) -> list[str]:
    """Say by which clocks the verdict is another one, and that chance parts clocks as well."""
    parts = [f"By learning rate × steps: {verdict}"]
    parts += [
        f"by a clock {off:.1f} times as {pace}: {other}"
        for pace, other in others.items()
        if other != verdict
    ]
    apart = "So far apart are two learning rates"
    if math.isfinite(chance):
        apart += f" (two trainings at one rate {chance:.1f} times)"
    return ["; ".join(parts), apart]


def _read(claim: Claim, seeds: Sequence[Seed]) -> dict[str, list[Answer]]:
    """Return what the seeds of each variant say, the paper's own net first."""
    groups: dict[str, list[Answer]] = {}
    for seed in sorted(seeds, key=lambda seed: seed.variant != "whole"):
        unlearned = "" if claim.of_data else seed.why_unlearned()
        answer = Answer(None, "-", why=unlearned) if unlearned else claim.read(seed)
        groups.setdefault(seed.variant, []).append(answer)
    return groups


@dataclass(frozen=True)
class _Control:
    """What the control says, and what that means for a claim that is reproduced."""

    text: str
    hint: str = ""


def _control(claim: Claim, seeds: Sequence[Seed]) -> _Control:
    """Say whether the claim holds for nets that stay untrained, and with which numbers."""
    controls = [seed.never_trained() for seed in seeds]
    groups = _read(claim, [control for control in controls if control is not None])
    answers = [answer.holds for group in groups.values() for answer in group]
    votes = [holds for holds in answers if holds is not None]
    if not votes:
        return _Control("-")
    words = f"({in_words(groups)})"
    if all(votes):
        hint = "Untrained nets do the same, so it says little of training"
        return _Control(f"holds {words}", hint)
    if any(votes):
        some = f"{sum(votes)} of {len(votes)}"
        return _Control(f"holds in {some} {words}", f"So do {some} untrained nets")
    return _Control(f"does not hold {words}")


def clock_text(clock: float) -> str:
    """Return one of the paper's epochs in words.

    Examples
    --------
    >>> clock_text(4250.0), clock_text(float("inf"))
    ('4,250', 'never')
    """
    return f"{clock:,.0f}" if math.isfinite(clock) else "never"
