"""``infoflow.suggest_pruning``: advice on every stream of a net, from an ablation or a result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from infoflow.flow.flow_result import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.interface import ArgumentError, ArgumentTypeError, Skip, TargetError
from infoflow.interface.argument_checks import is_flag, is_number, one_of, shown
from infoflow.pruning.ablation.ablation_result import Ablation
from infoflow.pruning.ablation.ablation_table import frontier_rows
from infoflow.pruning.ablation.stream_rows import StreamLoss
from infoflow.pruning.advice import BitsLost, PruningAdvice, StreamAdvice, units_of
from infoflow.pruning.advice_wording import ABLATION_CAUTION, INFORMATION, RECORD, paper_conclusion
from infoflow.pruning.choice import candidates
from infoflow.pruning.explanation import addition, information_says, usable_addition
from infoflow.pruning.importance import losses_as_readings, readings_of, readings_variable
from infoflow.pruning.verdicts import (
    BITS_LOST,
    Answer,
    before_merge,
    cut_without_ablation,
    paper_redesign,
    redesign_without_race,
)

__all__ = ["PruningAdvice", "StreamAdvice", "suggest_pruning"]

Reading = Literal["ablation", "paper"]

#: Below this share of the maximum of I(Y;·), the paper's reading counts a gap as closed.
_PAPER_TOLERANCE = 0.05


def suggest_pruning(
    measured: Ablation | FlowResult,
    *,
    tolerance: float | None = None,
    information: FlowResult | None = None,
    usable: UsableStreams | None = None,
    reading: Reading = "ablation",
    trust_saturated: bool = False,
) -> PruningAdvice:
    """Say which streams a net can do without, what that costs, and what is not known.

    *Cut*: what does this trained net lose without the stream? Only an ablation answers that: it
    measures the bits lost on held-out samples. Information explains the answer but does not decide:
    from a result of ``analyze`` alone, the verdict is "cannot tell".
    *Redesign*: would a net built without the stream get as far? Only training answers that
    (:func:`infoflow.race`). ``reading="paper"`` gives the recommendation of Lee and Bajić.

    Parameters
    ----------
    measured
        From :func:`infoflow.ablate`; or from :func:`infoflow.analyze` or
        :class:`infoflow.Tracker`, with a target.
    tolerance
        For an ablation: how many bits may be lost; None takes the ablation's own. For the paper's
        reading: a gap below this share of the maximum of I(Y;·) counts as closed; None takes 0.05.
    information
        A result of ``analyze`` for the same net, to show beside the verdicts of an ablation.
    usable
        From :func:`infoflow.usable_streams` for the same net, to show beside the verdicts.
    reading
        ``"paper"`` reads a result as Lee and Bajić do: a skip into a merge is not needed in a
        redesign once the layers before it have reached the maximum of I(Y;·).
    trust_saturated
        For the paper's reading: also read I(Y;·) where it is at its ceiling.

    Returns
    -------
    PruningAdvice
        ``.conclusion`` in a sentence or two; a row for each skip connection, residual branch and
        gate; ``.cuttable`` names the largest set that can go together.

    Raises
    ------
    ArgumentError
        If the tolerance is out of range, the information is of another net, or you ask for the
        paper's reading of an ablation.
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
    >>> data = torch.utils.data.TensorDataset(*blob_images(96, size=16))
    >>> held_out = torch.utils.data.DataLoader(data, batch_size=32)
    >>> ablation = infoflow.ablate(
    ...     UNet(base_channels=2), held_out, streams=["7->11", "1->20"], mend=None, progress=False
    ... )
    >>> advice = suggest_pruning(ablation)
    >>> advice[0].redesign.verdict
    'cannot tell'
    >>> advice.cuttable == ablation.cuttable
    True
    """
    one_of("reading", reading, ("ablation", "paper"))
    is_flag("trust_saturated", trust_saturated)
    _check_kind("usable", usable, UsableStreams, "infoflow.usable_streams")
    _check_kind("information", information, FlowResult, "infoflow.analyze")
    if isinstance(measured, Ablation):
        if reading == "paper":
            raise ArgumentError(
                "reading='paper' reads a result of infoflow.analyze or infoflow.Tracker, got an "
                "Ablation. Pass the result, or leave reading= out."
            )
        return _of_ablation(measured, tolerance, information, usable)
    if not isinstance(measured, FlowResult):
        raise ArgumentTypeError(
            "suggest_pruning needs what infoflow.ablate, infoflow.analyze or infoflow.Tracker "
            f"returned, got {type(measured).__name__}. infoflow.load(path) reads a file."
        )
    if information is not None:
        raise ArgumentError(
            "information= explains the verdicts of an Ablation, got it beside another result. "
            "Pass what infoflow.ablate returned first."
        )
    return _of_result(measured, usable, tolerance, reading, trust_saturated)


def _check_kind(name: str, value: object, kind: type, maker: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise ArgumentTypeError(f"{name} must be what {maker} returned, got {shown(value)}.")


def _of_ablation(
    ablation: Ablation,
    tolerance: float | None,
    information: FlowResult | None,
    usable: UsableStreams | None,
) -> PruningAdvice:
    judged = ablation if tolerance is None else ablation.with_tolerance(tolerance)
    if information is not None:
        _check_same_net(judged, information)
    chosen = set(judged.cuttable)
    mains = {merge.name: merge.main for merge in judged.graph.merges}
    rows = tuple(
        _row_of(loss, mains.get(loss.skip.merge), loss.skip.name in chosen, information, usable)
        for loss in judged.rows
    )
    caution = ABLATION_CAUTION
    if judged.tolerance > ablation.tolerance:
        caution += (
            f" Sets were measured up to a tolerance of {ablation.tolerance:.2g}; run "
            f"infoflow.ablate with tolerance={judged.tolerance:.2g} for larger ones."
        )
    readings = losses_as_readings(judged)
    return _advice(
        rows,
        judged.graph,
        "" if information is None else information.unit,
        readings,
        conclusion=judged.conclusion,
        caution=caution,
        basis="ablation",
        lost_unit=judged.unit,
        tolerance=judged.tolerance,
        cuttable_mender=judged.cuttable.mender,
        frontier=json.dumps(frontier_rows(judged.frontier(), judged.dataset.attrs["metric"])),
    )


def _row_of(
    loss: StreamLoss,
    main: str | None,
    is_chosen: bool,
    information: FlowResult | None,
    usable: UsableStreams | None,
) -> StreamAdvice:
    best = loss.best
    lost = BitsLost(
        status=loss.status,
        plain=None if loss.plain is None else loss.plain.value,
        value=None if best is None else best.value,
        low=None if best is None else best.low,
        high=None if best is None else best.high,
        mender=loss.mender,
        more_samples=loss.more_samples,
    )
    found = addition(information, loss.skip) if information is not None else None
    added = found if usable is None else usable_addition(usable, loss.skip)
    is_explained = information is not None or usable is not None
    return StreamAdvice(
        loss.skip,
        loss.skip.source == main,
        redesign_without_race(),
        Answer(loss.verdict, BITS_LOST, loss.reason),
        is_chosen,
        added=added,
        lost=lost,
        says=information_says(added) if is_explained else "",
    )


def _check_same_net(ablation: Ablation, information: FlowResult) -> None:
    nets = [
        (graph.model, [(layer.name, layer.kind) for layer in graph])
        for graph in (ablation.graph, information.graph)
    ]
    if nets[0] != nets[1]:
        raise ArgumentError(
            f"information must be of the net that was ablated, {nets[0][0]} with "
            f"{len(nets[0][1])} layers, got a result of {nets[1][0]} with {len(nets[1][1])} "
            "layers. Measure the same net with infoflow.analyze."
        )


def _of_result(
    result: FlowResult,
    usable: UsableStreams | None,
    tolerance: float | None,
    reading: Reading,
    trust_saturated: bool,
) -> PruningAdvice:
    tolerance = _PAPER_TOLERANCE if tolerance is None else tolerance
    if not is_number(tolerance) or not 0 < tolerance < 1:
        raise ArgumentError(
            f"tolerance must be between 0 and 1, got {shown(tolerance)}. It is a share of the "
            "maximum of I(Y;·), such as 0.05."
        )
    if not result.has_target:
        raise TargetError(
            "Pruning advice needs I(Y;M), but this result was measured without a target. Measure "
            "again with a loader that gives targets, or with target='output'."
        )

    def advise(skip: Skip, main: str) -> StreamAdvice:
        merge = next(m for m in result.graph.merges if m.name == skip.merge)
        before = before_merge(result, merge, skip)
        added = addition(result, skip) if usable is None else usable_addition(usable, skip)
        redesign = redesign_without_race()
        if reading == "paper":
            redesign = paper_redesign(result, before.beside, tolerance, trust_saturated)
        return StreamAdvice(
            *(skip, skip.source == main, redesign, cut_without_ablation()),
            before=before,
            added=added,
            says=information_says(added, tolerance),
        )

    rows = tuple(
        advise(skip, merge.main) for merge in result.graph.merges for skip in candidates(merge)
    )
    is_paper = reading == "paper"
    return _advice(
        rows,
        result.graph,
        result.unit,
        readings_of(rows, result, usable),
        conclusion=paper_conclusion(rows) if is_paper else INFORMATION,
        caution=RECORD if is_paper else "",
        basis="paper" if is_paper else "information",
    )


def _advice(
    rows: Sequence[StreamAdvice], graph: Any, unit: str, readings: Any, **about: Any
) -> PruningAdvice:
    names = [row.skip.name for row in rows]
    dataset = PruningAdvice.dataset_of(
        rows,
        units=units_of(rows, unit, about.get("lost_unit", "")),
        names=names,
        variables=readings_variable(readings, names),
        model=graph.model,
        unit=unit,
        **about,
    )
    return PruningAdvice(dataset, graph)
