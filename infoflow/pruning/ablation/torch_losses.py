"""Losses of ``torch.nn`` by the names of ours."""

from __future__ import annotations

from typing import Any

from torch import nn

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.loss_kinds import Kind
from infoflow.pruning.ablation.outputs import Scale

_KINDS: dict[type[nn.Module], Kind] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.NLLLoss: "cross_entropy",
    nn.BCEWithLogitsLoss: "binary",
    nn.BCELoss: "binary",
    nn.MSELoss: "regression",
}


def named_loss(loss: nn.Module, ignore_index: int | None) -> tuple[Any, int | None]:
    """Return the name of a loss of torch's, and what it ignores; other modules as they are.

    Raises
    ------
    ArgumentError
        For one that weighs or smooths labels, and for one that gives a number for a batch.

    Examples
    --------
    >>> named_loss(nn.CrossEntropyLoss(ignore_index=7), None), named_loss(nn.MSELoss(), None)
    (('cross_entropy', 7), ('regression', None))
    """
    name = type(loss).__name__
    kind = _KINDS.get(type(loss))
    if kind is None:
        if getattr(loss, "reduction", "none") in ("mean", "sum"):
            raise ArgumentError(
                f"loss={name}() gives one number for a batch, and the loss of each sample is "
                f"needed. Pass lambda output, target: torch.nn.{name}(reduction='none')(output, "
                "target).reshape(len(target), -1).mean(1), in nats."
            )
        return loss, ignore_index
    weights = [getattr(loss, one, None) for one in ("weight", "pos_weight")]
    if any(weight is not None for weight in weights) or getattr(loss, "label_smoothing", False):
        raise ArgumentError(
            f"loss={name} must have no weight and no label_smoothing, since what is counted are "
            f"bits of the labels. Pass loss={kind!r}, or a function from (output, target) to the "
            "loss of each sample in nats."
        )
    return kind, getattr(loss, "ignore_index", ignore_index)


def scale_note(loss: object, scale: Scale | None) -> tuple[str, ...]:
    """Return a note where a loss of torch's reads another scale than the net's outputs have.

    Examples
    --------
    >>> scale_note(nn.BCELoss(), "logits")
    ("BCELoss reads probabilities, and the net's outputs are logits: taken as logits",)
    >>> scale_note(nn.BCELoss(), "probabilities")
    ()
    """
    reads: dict[type[nn.Module], Scale] = {
        nn.BCELoss: "probabilities",
        nn.BCEWithLogitsLoss: "logits",
        nn.CrossEntropyLoss: "logits",
    }
    wanted = reads.get(type(loss))  # type: ignore[arg-type]
    if wanted is None or scale is None or wanted == scale:
        return ()
    name = type(loss).__name__
    return (f"{name} reads {wanted}, and the net's outputs are {scale}: taken as {scale}",)
