"""The kinds of loss that have a name, and what is guessed of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from infoflow.pruning.ablation.criteria import Criterion
from infoflow.pruning.ablation.outputs import Scale, holds_distributions
from infoflow.pruning.ablation.seen import Seen

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


def scale_of(seen: Seen, axis: int) -> tuple[Scale, tuple[str, ...]]:
    """Return whether classes along ``axis`` have logits or probabilities, and what was assumed."""
    if seen.link == "log_softmax":
        return "logits", ()  # a softmax of logarithms of probabilities gives them back
    if seen.link in ("softmax", "sigmoid"):
        return "probabilities", ()
    if holds_distributions(seen.prediction, axis):
        note = "the predictions sum to 1 over the classes, so they are taken for probabilities"
        return "probabilities", (note,)
    return "logits", ()
