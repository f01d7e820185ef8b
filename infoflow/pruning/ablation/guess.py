"""Which loss ``loss="auto"`` stands for, from one batch of a net and its graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import Tensor

from infoflow.interface import ArgumentError, TargetError
from infoflow.pruning.ablation.criteria import BinaryCrossEntropy, Criterion, CrossEntropy
from infoflow.pruning.ablation.other_criteria import Gaussian, ModelLoss
from infoflow.pruning.ablation.outputs import (
    Scale,
    holds_distributions,
    lies_between_0_and_1,
    own_loss_of,
)
from infoflow.pruning.ablation.seen import Seen
from infoflow.pruning.ablation.values import as_target

Kind = Literal["cross_entropy", "binary", "next_token", "masked", "regression", "model"]
Per = Literal["label", "pixel", "token", "value", "sample"]

KINDS: tuple[str, ...] = get_args(Kind)
CHOICES = f"{', '.join(map(repr, KINDS))}, or a function from (output, target) to (B,) nats"


@dataclass(frozen=True)
class Guess:
    """A kind of loss, how it is computed, what its bits are counted per, and what was assumed."""

    kind: str
    criterion: Criterion
    per: Per
    notes: tuple[str, ...] = ()


def guess(seen: Seen) -> Guess:
    """Return the loss that fits; an ArgumentError with the choices where none does."""
    for rule in (_own_alone, _tokens, _binary, _classes, _shares, _regression, _own):
        found = rule(seen)
        if found is not None:
            return found
    raise ArgumentError(
        f"The loss cannot be guessed from a prediction of shape {seen.shape} and "
        f"{_described(seen)}. Pass loss= one of {CHOICES}."
    )


def forced(seen: Seen, kind: Kind) -> Guess:
    """Return the loss that the caller names; an ArgumentError where it does not fit."""
    rules: dict[str, tuple[Callable[[Seen], Guess | None], ...]] = {
        "cross_entropy": (_classes, _shares),
        "binary": (_binary,),
        "next_token": (_next_tokens,),
        "masked": (_masked,),
        "regression": (_regression,),
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


def _tokens(seen: Seen) -> Guess | None:
    """Return the loss of a net that gives (B, T, V) scores for token ids."""
    if len(seen.shape) != 3 or seen.ids is None or seen.ids.shape != seen.shape[:2]:
        return None
    if seen.target is None:
        return _next_tokens(seen)
    if not seen.has_labels_but_for(-1):
        return None
    target = seen.target.reshape(seen.shape[:2])
    counted = target != -100
    if bool((target == seen.ids)[counted].all()):
        return _next_tokens(seen)
    if _is_shifted(target, seen.ids):
        return Guess(
            "next_token", CrossEntropy(_scale(seen, -1)[0], -1, seen.void(seen.shape[-1])), "token"
        )
    if not bool(counted.all()):
        return _masked(seen)
    scale, notes = _scale(seen, -1)
    return Guess(
        "cross_entropy", CrossEntropy(scale, -1, seen.void(seen.shape[-1])), "token", notes
    )


def _is_shifted(target: Tensor, ids: Tensor) -> bool:
    """Tell whether the target is the next input token already."""
    counted = target[:, :-1] != -100
    return bool(counted.any()) and bool((target[:, :-1] == ids[:, 1:])[counted].all())


def _next_tokens(seen: Seen) -> Guess | None:
    if len(seen.shape) != 3 or (seen.target is None and seen.ids is None):
        return None
    if seen.target is not None and not seen.has_labels_but_for(-1):
        return None
    shift = True
    if seen.target is not None and seen.ids is not None:
        shift = not _is_shifted(seen.target.reshape(seen.shape[:2]), seen.ids)
    note = ("position t is judged by the label of position t + 1",) if shift else ()
    if seen.target is None:
        note = ("no labels were given, so position t is judged by the input token t + 1",)
    criterion, notes = _of_tokens(seen, shift=shift)
    return Guess("next_token", criterion, "token", (*notes, *note))


def _masked(seen: Seen) -> Guess | None:
    if len(seen.shape) != 3 or not seen.has_labels_but_for(-1):
        return None
    criterion, notes = _of_tokens(seen)
    return Guess("masked", criterion, "token", notes)


def _of_tokens(seen: Seen, *, shift: bool = False) -> tuple[CrossEntropy, tuple[str, ...]]:
    scale, notes = _scale(seen, -1)
    void = -100 if seen.ignore_index is None else seen.ignore_index
    return CrossEntropy(scale, -1, (void,), shift), notes


def _binary(seen: Seen) -> Guess | None:
    """Return the loss of a yes or no per number of the prediction."""
    if not seen.has_as_many or seen.target is None:
        return None
    is_mask = seen.is_zero_or_one
    if is_mask and seen.ignore_index is None and _is_black_and_white(seen.target):
        raise TargetError(
            "Masks must hold 0 and 1, got 0 and 255. Divide them by 255, or let unpack= put -100 "
            "where 255 marks pixels without a label."
        )
    is_share = seen.link == "sigmoid" and lies_between_0_and_1(seen.target)
    if not (is_mask or is_share) or seen.link in ("softmax", "log_softmax"):
        return None
    if _is_one_of_many(seen):
        return None
    scale: Scale = "logits"
    notes: tuple[str, ...] = ()
    if seen.link == "sigmoid":
        scale = "probabilities"
    elif not seen.has_graph and lies_between_0_and_1(seen.prediction):
        scale = "probabilities"
        notes = ("the predictions lie between 0 and 1, so they are taken for probabilities",)
    return Guess("binary", BinaryCrossEntropy(scale, seen.void(2)), _per(seen.shape), notes)


def _is_black_and_white(target: Tensor) -> bool:
    return bool((target == 255).any()) and not bool((target == 1).any())


def _is_one_of_many(seen: Seen) -> bool:
    """Tell whether a target of 0 and 1 marks exactly one of two or more classes each time."""
    if len(seen.shape) < 2 or seen.shape[1] < 2 or seen.link == "sigmoid":
        return False
    if seen.target is None or seen.target.shape != seen.shape:
        return False
    return bool((seen.target.double().sum(1) == 1).all())


def _classes(seen: Seen) -> Guess | None:
    """Return the loss of one of K classes, in the second or in the last dimension."""
    if len(seen.shape) < 2 or seen.target is None or seen.shape[1] < 2:
        return None
    axes = [axis for axis in dict.fromkeys((1, len(seen.shape) - 1)) if _fits(seen, axis)]
    if not axes or seen.link == "sigmoid":
        return None
    scale, notes = _scale(seen, axes[0])
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
    if seen.link == "sigmoid" or not holds_distributions(target, 1):
        return None
    scale, notes = _scale(seen, 1)
    per: Per = "label" if len(seen.shape) == 2 else _per(seen.shape)
    return Guess("cross_entropy", CrossEntropy(scale, 1, shares=True), per, notes)


def _regression(seen: Seen) -> Guess | None:
    if not seen.has_as_many or seen.target is None or seen.link is not None:
        return None
    errors = seen.prediction.double().reshape(-1) - seen.target.double().reshape(-1)
    variance = float(errors.square().mean())
    return Guess("regression", Gaussian(variance if variance > 0 else 1.0), "value")


def _scale(seen: Seen, axis: int) -> tuple[Scale, tuple[str, ...]]:
    """Return whether classes along ``axis`` have logits or probabilities, and what was assumed."""
    if seen.link == "log_softmax":
        return "logits", ()  # a softmax of logarithms of probabilities gives them back
    if seen.link in ("softmax", "sigmoid"):
        return "probabilities", ()
    if holds_distributions(seen.prediction, axis):
        note = "the predictions sum to 1 over the classes, so they are taken for probabilities"
        return "probabilities", (note,)
    return "logits", ()


def _per(shape: tuple[int, ...]) -> Per:
    return "pixel" if len(shape) >= 4 else "label"


def _described(seen: Seen) -> str:
    if seen.target is None:
        return "no target"
    kind = str(seen.target.dtype).removeprefix("torch.")
    return f"a target of shape {tuple(seen.target.shape)} and type {kind}"
