"""What advice says in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infoflow.graph.text_table import listed
from infoflow.interface import Skip
from infoflow.pruning.verdicts import Answer

INFORMATION = (
    "Cannot tell what can go: information says what the streams know, and not what this net loses. "
    "Measure that with infoflow.ablate(model, held_out), or infoflow ablate MODEL --data HELD_OUT."
)
ABLATION_CAUTION = (
    'A verdict is about the mended net where "by" names a mender, and about one stream while all '
    "others stay. infoflow.prune makes the net that was judged of advice.cuttable with "
    'mend="auto", or of others with that mender as mend=, and the same calibrate=; '
    "infoflow.verify_pruning tries it with your own metric."
)
#: Counted from the committed study (docs/reproduction/claims.csv), one whole and three half nets.
RECORD = (
    "This is the recommendation of Lee and Bajić (2021) for a net that is trained anew. Its record "
    "in the committed study of their U-Net (docs/reproduce): right on 10 of 12 skips of nets that "
    "were trained without them, wrong on 2 (both 3→17). The epochs that it named came 5 to 18 "
    "times too early. It orders what cuts cost the wrong way round in all seeds, and in "
    "docs/evidence it foretells no redesign."
)


class Advised(Protocol):
    """A stream with an answer on a redesign."""

    @property
    def skip(self) -> Skip:  # noqa: D102
        ...

    @property
    def redesign(self) -> Answer:  # noqa: D102
        ...


def paper_words(answer: Answer) -> str:
    """Return a verdict on a redesign in the paper's words.

    Examples
    --------
    >>> paper_words(Answer("prune if trained to epoch", "", "", 100))
    'not needed from epoch 100 on'
    """
    words = {
        "prune": "not needed",
        "prune if trained to epoch": f"not needed from epoch {answer.epoch} on",
        "keep": "needed",
    }
    return words.get(answer.verdict, answer.verdict)


def paper_conclusion(rows: Sequence[Advised]) -> str:
    """Return what the paper would leave out of a net that is trained anew."""
    named: dict[str, list[str]] = {}
    for row in rows:
        named.setdefault(paper_words(row.redesign), []).append(str(row.skip))
    parts = [f"{words}: {listed(names)}" for words, names in named.items()]
    return f"By the paper's reading, of a redesign: {'; '.join(parts) or 'nothing to say'}."
