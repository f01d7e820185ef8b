"""``PruningAdvice``: a verdict on a cut and on a redesign for every stream, with the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infoflow.graph.net_result import NetResult
from infoflow.graph.text_table import counted
from infoflow.interface import Skip
from infoflow.pruning.advice_table import advice_table
from infoflow.pruning.advice_wording import paper_words
from infoflow.pruning.choice import StreamNames
from infoflow.pruning.explanation import Addition
from infoflow.pruning.importance import readings_in
from infoflow.pruning.verdicts import CUT, REDESIGN, Answer, BeforeMerge, Verdict
from infoflow.results import Table


@dataclass(frozen=True)
class BitsLost:
    """What the net loses on held-out samples without one stream.

    Parameters
    ----------
    status
        ``"measured"``, ``"ranked"`` by a backward pass only, or ``"cannot go"``.
    plain
        Bits lost as it is; None where that was not measured.
    value, low, high
        Bits lost by the net that the verdict is about, mended where it was, with the 95 % interval.
    mender
        What mended it; empty where nothing did.
    more_samples
        How many more judging samples would tell; None where that cannot be said.
    """

    status: str
    plain: float | None
    value: float | None
    low: float | None
    high: float | None
    mender: str
    more_samples: int | None


@dataclass(frozen=True)
class StreamAdvice:
    """The two verdicts on one stream.

    Parameters
    ----------
    skip
        The stream, with what removing it would save.
    is_main
        Whether it is its merge's main stream: the branch of a residual block, or a gate.
    redesign, cut
        The answers to the two questions: could a net be built without the stream, and what does
        this one lose without it?
    is_chosen
        Whether the stream is in the largest set that can go together.
    before
        What the paper's reading rests on; None where no information was given.
    added
        What information says, as explanation; None where streams were not measured.
    lost
        What the verdict on a cut rests on; None without an ablation.
    says
        What information says, in a few words.
    """

    skip: Skip
    is_main: bool
    redesign: Answer
    cut: Answer
    is_chosen: bool = False
    before: BeforeMerge | None = None
    added: Addition | None = None
    lost: BitsLost | None = None
    says: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict on a redesign, the question of Lee and Bajić."""
        return self.redesign.verdict

    def __str__(self) -> str:
        return f"{self.skip}: {self.redesign} in a redesign, {self.cut} as a cut"


@dataclass(frozen=True, eq=False, repr=False)
class PruningAdvice(NetResult, Table[StreamAdvice]):
    """Advice for every stream that could go; ``print`` shows it as a table.

    Attributes
    ----------
    rows
        One row per stream, merge by merge: every skip connection, and, where streams are added or
        multiplied, the main stream, without which the block or the gate would be gone.
    graph
        The graph of what the advice is from.
    """

    dims = ("stream",)

    @property
    def conclusion(self) -> str:
        """What can go together, at what price, and what must stay, in one or two sentences."""
        return str(self.dataset.attrs.get("conclusion", ""))

    @property
    def readings(self) -> Mapping[str, Mapping[str, float]]:
        """By reading and stream, how much the stream is needed by that reading.

        :func:`infoflow.verify_pruning` compares them with measured damage.
        """
        return readings_in(self.dataset)

    @property
    def prunable(self) -> StreamNames:
        """Names, ``source->merge``, of the streams that a redesigned net could do without.

        Where every stream of a sum could go, only its main stream is named: one has to stay.
        """
        rows = [row for row in self.rows if row.redesign.is_prunable]
        without_main = {row.skip.merge for row in rows if row.is_main}
        names = [r.skip.name for r in rows if r.is_main or r.skip.merge not in without_main]
        return StreamNames.of(names, self.graph)

    @property
    def cuttable(self) -> StreamNames:
        """Names, ``source->merge``, of the streams that can be cut out together, mended.

        The largest such set of the ablation's frontier, or the one stream that can go alone where
        no set can; empty without an ablation. They know what mended best.
        """
        names = [row.skip.name for row in self.rows if row.is_chosen]
        return StreamNames.of(names, self.graph, str(self.dataset.attrs.get("cuttable_mender", "")))

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers."""
        about = self.dataset.attrs
        return {
            "model": self.model,
            "conclusion": self.conclusion,
            "basis": str(about.get("basis", "")),
            "questions": {"redesign": REDESIGN, "cut": CUT},
            "caution": str(about.get("caution", "")),
            "unit": str(about.get("unit", "")),
            "lost_unit": str(about.get("lost_unit", "")),
            "tolerance": about.get("tolerance"),
            "prunable": list(self.prunable),
            "cuttable": list(self.cuttable),
            "frontier": json.loads(str(about.get("frontier", "[]"))),
            "streams": [_row(row) for row in self.rows],
        }

    def table(self) -> str:
        """Return the conclusion, a table for each question, and the reasons."""
        return advice_table(self.to_dict())

    def title(self) -> str:
        """Return how many streams there is advice on, and how many can go."""
        counts = f"{len(self.prunable)} prunable, {len(self.cuttable)} cuttable"
        return f"{self.model}: {counted(len(self), 'stream')}, {counts}"


def _row(row: StreamAdvice) -> dict[str, Any]:
    return {
        "skip": str(row.skip),
        "source": row.skip.source,
        "merge": row.skip.merge,
        "is_main": row.is_main,
        "is_chosen": row.is_chosen,
        "redesign": {
            **asdict(row.redesign),
            "text": str(row.redesign),
            "paper": paper_words(row.redesign),
        },
        "cut": {**asdict(row.cut), "text": str(row.cut)},
        "lost": _parts(row.lost),
        "before": _parts(row.before),
        "added": _parts(row.added),
        "says": row.says,
        "parameters": row.skip.parameters,
        "multiply_adds": row.skip.multiply_adds,
    }


def _parts(evidence: Any) -> dict[str, Any] | None:
    return None if evidence is None else asdict(evidence)


def units_of(rows: Sequence[StreamAdvice], unit: str, lost: str = "") -> dict[str, str]:
    """Return the unit of each column of the rows that has one."""
    added = next((row.added.unit for row in rows if row.added), unit)
    return {
        **dict.fromkeys(("before", "before_maximum", "before_gap", "before_null_high"), unit),
        **{f"added{end}": added for end in ("", "_low", "_high", "_null_high", "_all", "_unique")},
        **({f"lost{end}": lost for end in ("", "_plain", "_low", "_high")} if lost else {}),
        "skip_multiply_adds": "multiply-adds",
    }
