"""``infoflow.suggest_pruning``: advice on every skip connection of a net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infoflow.flow.result import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.graph.net_result import NetResult
from infoflow.interface import ArgumentError, Merge, Skip, TargetError
from infoflow.pruning.advice_table import advice_table
from infoflow.pruning.choice import StreamNames, candidates
from infoflow.pruning.importance import readings_in, readings_of, readings_variable
from infoflow.pruning.verdicts import (
    CUT,
    REDESIGN,
    Addition,
    Answer,
    BeforeMerge,
    Verdict,
    addition,
    answer_cut,
    answer_redesign,
    before_merge,
    usable_addition,
)
from infoflow.results import Table

CAUTION = (
    "The two answers can be opposite, and each is about one stream while all others stay. In "
    "trials on three nets no reading of either kind foretold the damage reliably. Nothing replaces "
    "trying it, with infoflow.verify_pruning."
)


@dataclass(frozen=True)
class StreamAdvice:
    """What the readings say of one stream.

    Parameters
    ----------
    skip
        The stream, with what removing it would save.
    is_main
        Whether it is its merge's main stream: the branch of a residual block, or a gate.
    redesign, cut
        The answers to the two questions: could a net be built without the stream, and can it be
        removed from this one?
    before
        The evidence for ``redesign``.
    added
        The evidence for ``cut``; None where streams were not measured.
    """

    skip: Skip
    is_main: bool
    redesign: Answer
    cut: Answer
    before: BeforeMerge
    added: Addition | None

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
        The graph of the result that the advice is from.
    """

    dims = ("stream",)

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
        return self._together([row for row in self.rows if row.redesign.is_prunable])

    @property
    def cuttable(self) -> StreamNames:
        """Names, ``source->merge``, of the streams that can be cut out of this trained net.

        Where every stream of a sum could go, only its main stream is named: one has to stay.
        """
        return self._together([row for row in self.rows if row.cut.is_prunable])

    def _together(self, rows: Sequence[StreamAdvice]) -> StreamNames:
        """Return the names of streams that can be removed together."""
        without_main = {row.skip.merge for row in rows if row.is_main}
        names = [r.skip.name for r in rows if r.is_main or r.skip.merge not in without_main]
        return StreamNames.of(names, self.graph)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers."""
        return {
            "model": self.model,
            "questions": {"redesign": REDESIGN, "cut": CUT},
            "caution": CAUTION,
            "unit": self.unit,
            "prunable": list(self.prunable),
            "cuttable": list(self.cuttable),
            "streams": [_row(row) for row in self.rows],
        }

    def table(self) -> str:
        """Return a table for each question, with its reasons."""
        return advice_table(self.to_dict())

    def title(self) -> str:
        """Return how many streams there is advice on, and how many can go."""
        counts = f"{len(self.prunable)} prunable, {len(self.cuttable)} cuttable"
        return f"{self.model}: {len(self)} streams, {counts}"


def _row(row: StreamAdvice) -> dict[str, Any]:
    return {
        "skip": str(row.skip),
        "source": row.skip.source,
        "merge": row.skip.merge,
        "is_main": row.is_main,
        "redesign": {**asdict(row.redesign), "text": str(row.redesign)},
        "cut": {**asdict(row.cut), "text": str(row.cut)},
        "before": asdict(row.before),
        "added": None if row.added is None else asdict(row.added),
        "parameters": row.skip.parameters,
        "multiply_adds": row.skip.multiply_adds,
    }


def suggest_pruning(
    result: FlowResult,
    *,
    usable: UsableStreams | None = None,
    tolerance: float = 0.05,
    trust_saturated: bool = False,
) -> PruningAdvice:
    """Say of every stream that could go whether a redesign, or this trained net, can do without.

    *Redesign*, the question of Lee and Bajić: a skip into a merge is not needed once the layers
    before the merge, its main stream, have reached the maximum of I(Y;·): what the skip adds about
    Y is there already. *Cut*: a stream can be removed from this net, and a little fine-tuning mend
    it, where it adds nothing to the others about Y: in usable information where ``usable`` is
    given, else in I(Y; all streams) − I(Y; all but it) at noise relative to each layer's scale.
    Where what would have to do without a stream is at its ceiling, that is arithmetic of the data
    set and supports no verdict.

    Parameters
    ----------
    result
        From :func:`infoflow.analyze` (one epoch) or :class:`infoflow.Tracker` (a history), with a
        target.
    usable
        From :func:`infoflow.usable_streams`, of the same net and data.
    tolerance
        A difference counts as none below this share: of the maximum of I(Y;·) for the redesign, of
        I(Y; all streams) for the cut.
    trust_saturated
        Read the main stream's I(Y;·) as the paper does, also where training has brought it to its
        ceiling.

    Returns
    -------
    PruningAdvice
        One row per skip connection, residual branch and gate; ``.prunable`` names those to drop in
        a redesign, ``.cuttable`` those to cut.

    Raises
    ------
    TargetError
        If the result has no I(Y;M).
    LayerNotFoundError
        If the main stream of a merge was not measured.

    References
    ----------
    Lee and Bajić (2021), section 4.2. The verdict "cannot tell" is not in the paper.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(16, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=4)
    >>> result = infoflow.analyze(UNet(base_channels=4), loader, target=infoflow.KMeans(2),
    ...                           noise=100.0, progress=False)
    >>> suggest_pruning(result)[0].redesign.verdict
    'keep'
    """
    if not 0 < tolerance < 1:
        raise ArgumentError(f"tolerance must be between 0 and 1, got {tolerance}.")
    if not result.has_target:
        raise TargetError(
            "Pruning advice needs I(Y;M), but this result was measured without a target. Measure "
            "again with a loader that gives targets, or with target='output'."
        )
    rows = tuple(
        _advise(result, merge, skip, usable, tolerance, trust_saturated)
        for merge in result.graph.merges
        for skip in candidates(merge)
    )
    names = [row.skip.name for row in rows]
    dataset = PruningAdvice.dataset_of(
        rows,
        units=_units(rows, result.unit),
        names=names,
        variables=readings_variable(readings_of(rows, result, usable), names),
        model=result.graph.model,
        unit=result.unit,
    )
    return PruningAdvice(dataset, result.graph)


def _units(rows: Sequence[StreamAdvice], unit: str) -> dict[str, str]:
    added = next((row.added.unit for row in rows if row.added), unit)
    return {
        **dict.fromkeys(("before", "before_maximum", "before_gap", "before_null_high"), unit),
        **{f"added{end}": added for end in ("", "_low", "_high", "_null_high", "_all")},
        "skip_multiply_adds": "multiply-adds",
    }


def _advise(
    result: FlowResult,
    merge: Merge,
    skip: Skip,
    usable: UsableStreams | None,
    tolerance: float,
    trust_saturated: bool,
) -> StreamAdvice:
    before = before_merge(result, merge, skip)
    added = addition(result, skip) if usable is None else usable_addition(usable, skip)
    return StreamAdvice(
        skip,
        skip.source == merge.main,
        answer_redesign(result, before.beside, tolerance, trust_saturated),
        answer_cut(added, merge, tolerance),
        before,
        added,
    )
