"""The loss of nets that give a score for each token of a vocabulary at each position."""

from __future__ import annotations

from torch import Tensor

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.criteria import CrossEntropy
from infoflow.pruning.ablation.loss_kinds import Guess, scale_of
from infoflow.pruning.ablation.seen import Seen


def token_loss(seen: Seen) -> Guess | None:
    """Return the loss of a net that gives (B, T, V) scores for token ids; None for other nets."""
    if len(seen.shape) != 3 or seen.ids is None or seen.ids.shape != seen.shape[:2]:
        return None
    if seen.target is None:
        return _of_next_alone(seen)
    if not seen.has_labels_but_for(-1):
        return None
    target = seen.target.reshape(seen.shape[:2])
    counted = target != -100
    if bool((target == seen.ids)[counted].all()):
        return _of_next_alone(seen)
    void = seen.void(seen.shape[-1])
    if _is_shifted(target, seen.ids):
        return Guess("next_token", CrossEntropy(scale_of(seen, -1)[0], -1, void), "token")
    if not bool(counted.all()):
        return masked_tokens(seen)
    scale, notes = scale_of(seen, -1)
    return Guess("cross_entropy", CrossEntropy(scale, -1, void), "token", notes)


def _of_next_alone(seen: Seen) -> Guess | None:
    """Return the loss of the next token; an ArgumentError for nets that read it before."""
    if seen.reads_ahead():
        raise ArgumentError(
            "The net reads the tokens on both sides of a position, as masked language models do, "
            "and its input has no masked tokens with labels, so it sees what it would be asked "
            "for. Mask some tokens, and give labels that are -100 elsewhere, as "
            "transformers.DataCollatorForLanguageModeling does. Or pass loss='masked' to judge "
            "all labels, or loss='next_token'."
        )
    return next_tokens(seen)


def _is_shifted(target: Tensor, ids: Tensor) -> bool:
    """Tell whether the target is the next input token already."""
    counted = target[:, :-1] != -100
    return bool(counted.any()) and bool((target[:, :-1] == ids[:, 1:])[counted].all())


def next_tokens(seen: Seen) -> Guess | None:
    """Return the loss of the next token, by labels or by the input; None without scores."""
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


def masked_tokens(seen: Seen) -> Guess | None:
    """Return the loss of all tokens that have a label; None without scores or labels."""
    if len(seen.shape) != 3 or not seen.has_labels_but_for(-1):
        return None
    criterion, notes = _of_tokens(seen)
    return Guess("masked", criterion, "token", notes)


def _of_tokens(seen: Seen, *, shift: bool = False) -> tuple[CrossEntropy, tuple[str, ...]]:
    scale, notes = scale_of(seen, -1)
    void = -100 if seen.ignore_index is None else seen.ignore_index
    return CrossEntropy(scale, -1, (void,), shift), notes
