"""Which loss ``loss="auto"`` stands for, from one batch of a net and its graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.criteria import BinaryCrossEntropy, CrossEntropy
from infoflow.pruning.ablation.loss_kinds import CHOICES, Guess, Kind, Per, scale_of
from infoflow.pruning.ablation.model_loss import ModelLoss
from infoflow.pruning.ablation.number_checks import check_labelled, check_masks, check_numbers
from infoflow.pruning.ablation.other_criteria import Gaussian
from infoflow.pruning.ablation.outputs import (
    Scale,
    lies_between_0_and_1,
    own_loss_of,
)
from infoflow.pruning.ablation.seen import Seen
from infoflow.pruning.ablation.token_rules import masked_tokens, next_tokens, token_loss
from infoflow.pruning.ablation.values import as_target


def guess(seen: Seen) -> Guess:
    """Return the loss that fits; an ArgumentError with the choices where none does."""
    check_numbers(seen)
    for rule in (_own_alone, token_loss, _binary, _classes, _shares, _regression, _own):
        found = rule(seen)
        if found is not None:
            return found
    instead = "" if seen.target is not None else " Let the loader give (inputs, target) pairs."
    raise ArgumentError(
        f"The loss cannot be guessed from a prediction of shape {seen.shape} and "
        f"{_described(seen)}.{instead} Pass loss= one of {CHOICES}."
    )


def forced(seen: Seen, kind: Kind) -> Guess:
    """Return the loss that the caller names; an ArgumentError where it does not fit."""
    rules: dict[str, tuple[Callable[[Seen], Guess | None], ...]] = {
        "cross_entropy": (_classes, _shares),
        "binary": (_binary,),
        "next_token": (next_tokens,),
        "masked": (masked_tokens,),
        "regression": (_values,),
        "model": (_own,),
    }
    for rule in rules[kind]:
        found = rule(seen)
        if found is not None:
            return replace(found, kind=kind)
    if seen.target is None and kind != "model":
        as_target(None, seen.prediction.device)
    raise ArgumentError(
        f"loss={kind!r} does not fit a prediction of shape {seen.shape} and {_described(seen)}. "
        f"Pass loss= one of {CHOICES}."
    )


# ------------------------------------------------------------------------------ the rules


def _own_alone(seen: Seen) -> Guess | None:
    return None if seen.target is not None else _own(seen)


def _own(seen: Seen) -> Guess | None:
    if own_loss_of(seen.output) is None:
        return None
    return Guess("model", ModelLoss(), "sample", ("the loss is the model's own, taken as nats",))


def _binary(seen: Seen) -> Guess | None:
    """Return the loss of a yes or no per number of the prediction."""
    if not seen.has_as_many or seen.facts is None or seen.link in ("softmax", "log_softmax"):
        return None
    if seen.ignore_index is None:
        check_masks(seen.facts)
    is_share = seen.link == "sigmoid" and seen.facts.low >= 0 and seen.facts.high <= 1
    has_signs = seen.has_signs and seen.link != "tanh"
    if not (seen.is_zero_or_one or is_share or has_signs) or _is_one_of_many(seen):
        return None
    scale: Scale = "logits"
    notes: tuple[str, ...] = ()
    if seen.link == "sigmoid":
        scale = "probabilities"
    elif not seen.has_graph and lies_between_0_and_1(seen.prediction):
        scale = "probabilities"
        notes = ("the predictions lie between 0 and 1, so they are taken for probabilities",)
    if has_signs:
        notes = (*notes, "labels -1 and 1 are taken for no and yes; loss='regression' reads values")
    is_said = seen.link == "sigmoid" or seen.target is None or seen.target.shape != seen.shape
    if seen.facts.are_single and not is_said:
        note = "no sample has two labels and some have none, so each is taken for a yes or no of"
        notes = (*notes, f"{note} its own; for one of several classes give class numbers")
    void = () if has_signs else seen.void(2)
    return Guess("binary", BinaryCrossEntropy(scale, void, has_signs), _per(seen.shape), notes)


def _is_one_of_many(seen: Seen) -> bool:
    """Tell whether a target of 0 and 1 marks exactly one of two or more classes each time."""
    if len(seen.shape) < 2 or seen.shape[1] < 2 or seen.link == "sigmoid":
        return False
    if seen.target is None or seen.facts is None or seen.target.shape != seen.shape:
        return False
    return seen.facts.is_whole and seen.facts.are_shares


def _classes(seen: Seen) -> Guess | None:
    """Return the loss of one of K classes, in the second or in the last dimension."""
    if len(seen.shape) < 2 or seen.target is None or seen.shape[1] < 2:
        return None
    axes = [axis for axis in dict.fromkeys((1, len(seen.shape) - 1)) if _fits(seen, axis)]
    if not axes or seen.link == "sigmoid":
        return None
    check_labelled(seen, seen.shape[axes[0]])
    scale, notes = scale_of(seen, axes[0])
    per: Per = "label" if len(seen.shape) == 2 else _per(seen.shape)
    return Guess(
        "cross_entropy", CrossEntropy(scale, axes[0], seen.void(seen.shape[axes[0]])), per, notes
    )


def _fits(seen: Seen, axis: int) -> bool:
    return seen.shape[axis] > 1 and seen.has_labels_but_for(axis)


def _shares(seen: Seen) -> Guess | None:
    """Return the cross-entropy with a probability for each class."""
    target = seen.target
    if target is None or len(seen.shape) < 2 or target.shape != seen.shape or seen.shape[1] < 2:
        return None
    if seen.link == "sigmoid" or seen.facts is None or not seen.facts.are_shares:
        return None
    scale, notes = scale_of(seen, 1)
    per: Per = "label" if len(seen.shape) == 2 else _per(seen.shape)
    return Guess("cross_entropy", CrossEntropy(scale, 1, shares=True), per, notes)


def _regression(seen: Seen) -> Guess | None:
    return _values(seen) if seen.link in (None, "tanh") else None


def _values(seen: Seen) -> Guess | None:
    """Return the loss of a regression, whatever the net ends in."""
    if not seen.has_as_many or seen.target is None:
        return None
    errors = seen.prediction.double().reshape(-1) - seen.target.double().reshape(-1)
    variance = float(errors.square().mean())
    return Guess("regression", Gaussian(variance if variance > 0 else 1.0), "value", _note(seen))


def _note(seen: Seen) -> tuple[str, ...]:
    """Say that whole numbers in maps are taken for values, since they may be classes."""
    assert seen.target is not None
    if seen.facts is None or not seen.facts.is_whole or seen.target.ndim < 3:
        return ()
    return ("the target's whole numbers are values; for K classes the net must give K scores",)


def _per(shape: tuple[int, ...]) -> Per:
    return "pixel" if len(shape) >= 4 else "label"


def _described(seen: Seen) -> str:
    if seen.target is None:
        return "no target"
    kind = str(seen.target.dtype).removeprefix("torch.")
    return f"a target of shape {tuple(seen.target.shape)} and type {kind}"
