"""The loss that a model returns, beside its prediction or alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.criteria import Decisions, Terms
from infoflow.pruning.ablation.outputs import own_loss_of, prediction_of, sole_loss_of
from infoflow.pruning.ablation.seen import target_of
from infoflow.pruning.ablation.values import check_nats


@dataclass(frozen=True)
class ModelLoss:
    """The loss that the model returns, in nats: one a sample, or one for a batch of one.

    Parameters
    ----------
    is_all
        Whether the model returns nothing else.
    """

    is_all: bool = False

    def terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        """Return (B, 1) nats."""
        loss = sole_loss_of(output) if self.is_all else own_loss_of(output)
        if loss is None:
            raise ArgumentError(
                "loss='model' needs a model that returns its loss, got an output without one. "
                "Return it as 'loss', pass the labels to the model, or choose another loss=."
            )
        nats = loss.double().reshape(-1)
        if call is not None:
            samples = call.samples
        else:
            samples = len(nats) if self.is_all else len(prediction_of(output))
        if len(nats) != samples:
            raise ArgumentError(
                f"The model returns {len(nats)} loss for {samples} samples, so the loss of each "
                "sample is not known. Expected one loss per sample: use reduction='none', or "
                "batches of one sample."
            )
        nats = check_nats(nats)
        return Terms(nats[:, None], torch.ones_like(nats, dtype=torch.bool)[:, None])

    def draw(self, output: Any, generator: torch.Generator | None) -> Tensor:
        """Raise an ArgumentError: what the loss is of is not known."""
        raise ArgumentError(
            "No label can be drawn for a loss that the model computes itself. Pass loss= "
            "'cross_entropy', 'binary', 'next_token', 'masked' or 'regression'."
        )

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Raise an ArgumentError: what the loss is of is not known."""
        raise undecided()

    def totals(self, target: Any, classes: int) -> None:
        """Return None: what could be predicted without an input is not known."""

    def constant(self, totals: Tensor, target: Any) -> Terms:
        """Raise an ArgumentError: there is no constant prediction."""
        raise undecided()


def undecided() -> ArgumentError:
    """Return the error for a metric of classes where a net predicts none."""
    return ArgumentError(
        "'accuracy', 'dice' and 'iou' need a net that predicts classes or masks, got another "
        "loss. Pass metric='psnr', or a function from (output, target) to (B,) numbers."
    )


def sole_loss(
    loss: str, output: Any, target: Any, call: Arguments | None
) -> tuple[ModelLoss, tuple[str, ...]] | None:
    """Return the loss of a model that returns nothing else, and what was assumed; else None.

    An ArgumentError where a number for each sample may be a loss or a prediction.
    """
    own = sole_loss_of(output)
    if own is None:
        return None
    if loss == "model":
        return ModelLoss(is_all=True), ()
    is_named = own_loss_of(output) is own
    has_labels = target_of(None, call, "") is not None
    if target is not None or not (own.ndim == 0 or is_named or has_labels):
        return None
    if own.ndim and not is_named:
        raise ArgumentError(
            f"The model is called with labels and returns {len(own)} numbers, which may be the "
            "loss of each sample or a prediction. Pass loss='model' for a loss, in nats, or "
            "loss='regression' for a prediction."
        )
    return ModelLoss(is_all=True), ("the model returns its loss only, taken as nats",)
