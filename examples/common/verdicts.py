"""What a seed says of a claim, and the verdict that several of them reach together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["reproduced", "not reproduced", "cannot tell at this scale"]
Vote = Literal["yes", "no", "split", "silent"]
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
        Why it cannot tell, or what to know about it.
    form
        How such a number is written: for the spread of several seeds.
    """

    holds: bool | None
    text: str
    value: float = math.nan
    why: str = ""
    form: Callable[[float], str] = "{:.3g}".format


def decide(groups: Mapping[str, Sequence[Answer]]) -> tuple[Verdict, list[str]]:
    """Return the verdict of what the seeds of each variant say, and why."""
    votes, reasons = [], []
    for variant, group in groups.items():
        vote, reason = _vote(group)
        votes.append(vote)
        reasons.append(f"{variant}: {reason}" if len(groups) > 1 else reason)
    verdict = _verdict(votes)
    answers = [answer for group in groups.values() for answer in group]
    hints = {answer.why for answer in answers if answer.holds is not None and answer.why}
    if {"yes", "no"} <= set(votes):
        hints.add("The two nets disagree")
    telling = [answer for answer in answers if answer.holds is not None]
    if verdict == "reproduced" and len(telling) == 1 < len(answers):
        hints.add("It rests on one seed")
    return verdict, [*reasons, *sorted(hints)]


def in_words(groups: Mapping[str, Sequence[Answer]]) -> str:
    """Return the numbers of the seeds of each variant."""
    return "; ".join(f"{variant}: {_joined(group)}" for variant, group in groups.items())


def _verdict(votes: Sequence[Vote]) -> Verdict:
    """Return the verdict of the variants' votes, of which no two may disagree."""
    said = set(votes) - {"silent"}
    if said == {"yes"}:
        return "reproduced"
    return "not reproduced" if said == {"no"} else CANNOT


def _vote(answers: Sequence[Answer]) -> tuple[Vote, str]:
    """Return what most seeds of a variant say together, and how many say it."""
    votes = [answer.holds for answer in answers if answer.holds is not None]
    if not votes:
        return "silent", next((answer.why for answer in answers if answer.why), "no run tells")
    silent = len(answers) - len(votes)
    tail = f", {silent} cannot tell" if silent else ""
    count = f"holds in {sum(votes)} of {len(votes)} {'seed' if len(votes) == 1 else 'seeds'}{tail}"
    if len(set(votes)) > 1:
        return "split", f"{count}, so they disagree"
    if silent >= len(votes):
        return "silent", f"{count}, and these are most"
    return ("yes" if votes[0] else "no"), count


def _joined(answers: Sequence[Answer]) -> str:
    """Return the seeds' numbers with their spread, or their words one after another."""
    if len(answers) == 1:
        return answers[0].text
    texts = list(dict.fromkeys(answer.text for answer in answers))
    if len(texts) == 1:
        return f"{texts[0]} ({len(answers)} seeds)"
    telling = [answer for answer in answers if answer.holds is not None]
    values = [answer.value for answer in telling]
    if len(telling) < len(answers) or not all(map(math.isfinite, values)):
        return " | ".join(answer.text for answer in answers)
    form = answers[0].form
    mean = sum(values) / len(values)
    return f"{form(mean)} ({form(min(values))} to {form(max(values))}, {len(values)} seeds)"
