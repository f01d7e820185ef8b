"""Mending a pruned net: with a mender that the caller names, or the best of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from infoflow.capture.batches import Batch, Samples
from infoflow.graph import LayerGraph
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.interface import ArgumentError, PruningError
from infoflow.interface.argument_checks import one_of, real_number
from infoflow.interface.devices import check_float64
from infoflow.pruning.ablation.batch_parts import take
from infoflow.pruning.mending.calibration import Calibration, check_alike
from infoflow.pruning.mending.comparing import LossChoice, judge_of
from infoflow.pruning.mending.mend import Mender, evaluating
from infoflow.pruning.mending.mending_record import Mending
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.variants import observe, ready

Mend = Literal["auto", "reader", "cascade"] | None

#: Share of the samples of ``calibrate`` that choose and do not mend, where there is a choice.
CHOOSING_SHARE = 0.25
#: With fewer samples to choose with, a choice would be chance.
FEWEST_TO_CHOOSE = 16


@dataclass(frozen=True)
class Recipe:
    """How a pruned net is mended; see :func:`infoflow.prune`."""

    mend: Literal["auto", "plain", "reader", "cascade"]
    calibrate: Iterable[Any]
    loss: LossChoice
    ridge: float
    budget: int
    seed: int


def check_recipe(mend: object, calibrate: object, ridge: object) -> None:
    """Raise for arguments that do not fit together."""
    one_of("mend", mend, ("auto", "reader", "cascade", None))
    if mend is not None and calibrate is None:
        raise ArgumentError(
            f"mend={mend!r} needs calibrate=, a loader of samples that mend, got None. Training "
            "data will do, and labels are not needed."
        )
    if mend is None and calibrate is not None:
        raise ArgumentError(
            "calibrate= mends, but mend is None. Pass mend='auto', 'reader' or 'cascade'."
        )
    real_number("ridge", ridge, least=0)


def mend_pruned(slim: PrunedModel, graph: LayerGraph, recipe: Recipe) -> Mending:
    """Refit a pruned net in place and return what was done.

    Raises
    ------
    ArgumentError
        If there are too few samples to choose with.
    PruningError
        If the graph's recording does not stand for any batch, or the samples do not fit it.
    """
    if graph.verification.label != "exact":
        raise PruningError(
            f"{graph.model} cannot be mended, since its recording stands for "
            f"{graph.verification.label} and calibrate= has other batches; expected one that "
            "stands for any input. Use mend=None."
        )
    model = graph.program.model
    example = graph.source.example
    assert example is not None
    with undisturbed(model, recipe.calibrate, None) as place, ready(model), evaluating(slim):
        check_float64(place, "mend=")
        samples = Samples(recipe.calibrate, model=model, device=place, seed=recipe.seed)
        check_alike(example, samples.example().call)
        footprint = observe(graph.program, example)

        def mender(calibration: Calibration) -> Mender:
            return Mender(graph, footprint, calibration, recipe.ridge, recipe.budget, recipe.seed)

        if recipe.mend == "plain":
            used = Calibration.of(samples)
            return Mending("plain", recipe.ridge, used.count, used.fingerprint, recipe.seed)
        if recipe.mend != "auto":
            return mender(Calibration.of(samples))(slim, recipe.mend)
        return _best(slim, graph, recipe, samples, mender)


def _best(
    slim: PrunedModel,
    graph: LayerGraph,
    recipe: Recipe,
    samples: Samples,
    mender: Callable[[Calibration], Mender],
) -> Mending:
    """Keep the best of plain, reader and cascade on samples that did not mend."""
    mending, choosing = _split(samples, recipe.seed)
    judge, notes = judge_of(graph, recipe.loss, choosing.batches)
    refit = mender(mending)
    state = {name: value.clone() for name, value in slim.state_dict().items()}
    bits = {"plain": judge(slim)}
    best = Mending("plain", recipe.ridge, mending.count, mending.fingerprint, recipe.seed)
    kept = state
    for name in ("reader", "cascade"):
        slim.load_state_dict(state)
        found = refit(slim, name)
        bits[name] = judge(slim)
        if bits[name] < bits[best.mender]:
            best, kept = found, {n: value.clone() for n, value in slim.state_dict().items()}
    slim.load_state_dict(kept)
    return replace(
        best,
        notes=(*best.notes, *notes),
        bits=bits,
        measure=judge.measure,
        choosing=choosing.count,
    )


def _split(samples: Samples, seed: int) -> tuple[Calibration, Calibration]:
    """Divide samples at random into those that mend and those that choose."""
    whole = Calibration.of(samples)
    chooses = round(whole.count * CHOOSING_SHARE)
    if chooses < FEWEST_TO_CHOOSE:
        fewest = round(FEWEST_TO_CHOOSE / CHOOSING_SHARE)
        raise ArgumentError(
            f"mend='auto' keeps {CHOOSING_SHARE:.0%} of calibrate= to choose with, got "
            f"{whole.count} samples in all; expected at least {fewest}. Pass more, or "
            "mend='cascade'."
        )
    order = np.random.default_rng(seed).permutation(whole.count)
    chosen = np.zeros(whole.count, bool)
    chosen[order[:chooses]] = True
    return _part(samples, ~chosen, whole), _part(samples, chosen, whole)


def _part(
    samples: Samples, chosen: np.ndarray[Any, np.dtype[np.bool_]], whole: Calibration
) -> Calibration:
    def batches() -> Iterator[Batch]:
        start = 0
        for batch in samples.batches():
            rows = np.flatnonzero(chosen[batch.start : batch.start + batch.size])
            if len(rows):
                yield take(batch, rows, start)
                start += len(rows)

    count = int(chosen.sum())
    return Calibration(batches, count, f"{whole.fingerprint}, {count} of {whole.count}")
