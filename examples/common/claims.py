"""A claim of a paper, what it is read from, and how it was judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common.tables import spaced
from common.verdicts import Verdict

#: Verdicts on our own statements, of which there is nothing to reproduce.
_HOLDS = {"reproduced": "holds", "not reproduced": "does not hold"}


@dataclass(frozen=True)
class Claim:
    """A claim, and how it is read.

    Parameters
    ----------
    name
        Short and unique.
    words
        The claim, in few words.
    number
        The paper's own number; "-" where the question is ours.
    read
        Function from the results to what they say of it; each study says which.
    note
        The criterion, in a line.
    """

    name: str
    words: str
    number: str
    read: Callable[[Any], Any]
    note: str


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Parameters
    ----------
    claim
        The claim.
    ours
        What the seeds of each net say, joined.
    verdict, why
        The verdict, and why in a line.
    """

    claim: Claim
    ours: str
    verdict: Verdict
    why: str

    def row(self, *, is_ours: bool) -> dict[str, str]:
        """Return the cells of a table; our own statements hold or do not hold."""
        verdict = _HOLDS.get(self.verdict, self.verdict) if is_ours else self.verdict
        cells = {
            "claim": self.claim.words,
            "paper": self.claim.number,
            "ours": self.ours,
            "verdict": verdict,
            "why": self.why,
        }
        return {name: spaced(cell) for name, cell in cells.items()}
