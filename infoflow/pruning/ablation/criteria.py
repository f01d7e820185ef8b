"""The loss of every label of a batch in nats, where a net predicts classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from infoflow.estimators.void import marked
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import TargetError
from infoflow.pruning.ablation.outputs import Scale, prediction_of
from infoflow.pruning.ablation.values import (
    WORST_NATS,
    as_rows,
    as_target,
    as_tensor,
    check_probabilities,
    draw_from,
    log_probabilities,
)


class Terms(NamedTuple):
    """The loss of every label, (B, L) float64 nats, and which labels count, (B, L) bool."""

    nats: Tensor
    counted: Tensor


class Decisions(NamedTuple):
    """What a net decides for every label, and what is true, (B, L) whole numbers; what counts."""

    predicted: Tensor
    truth: Tensor
    counted: Tensor


class Criterion(Protocol):
    """What turns predictions and targets into nats, and draws targets from predictions."""

    def terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        """Return the loss of every label of a batch; gradients flow through it."""
        ...

    def draw(self, output: Any, generator: torch.Generator | None) -> Tensor:
        """Return a target of the net's own prediction."""
        ...

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Return the most likely label and the true one; an ArgumentError where there is none."""
        ...

    def totals(self, target: Any, classes: int) -> Tensor | None:
        """Return sums over a batch that tell the best constant prediction; None without one."""
        ...

    def constant(self, totals: Tensor, target: Any) -> Terms:
        """Return the loss of every label of a batch for the constant that totals tell."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """One of K classes per label: class numbers, or a probability for each class.

    Parameters
    ----------
    scale
        Whether the prediction holds logits (or logarithms of probabilities) or probabilities.
    axis
        The dimension of the classes: 1, or -1 for (B, T, V).
    ignored
        Class numbers that do not count.
    shift
        Whether position t predicts the target of position t + 1.
    shares
        Whether targets have a probability for each class; drawn labels are class numbers anyway.
    """

    scale: Scale = "logits"
    axis: int = 1
    ignored: tuple[int, ...] = ()
    shift: bool = False
    shares: bool = False

    def terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        """Return (B, L) nats, for L labels of each sample."""
        logs = log_probabilities(self._scores(output), self.scale)
        target = as_target(target, logs.device)
        if self.shares and target.numel() == logs.numel():
            return _of_shares(-(target.double().movedim(self.axis, -1) * logs).sum(-1))
        classes, counted = self._classes(target, logs.shape)
        nats = -logs.gather(-1, classes.unsqueeze(-1)).squeeze(-1)
        nats = torch.where(counted, nats, 0.0)
        return Terms(nats.reshape(len(nats), -1), counted.reshape(len(nats), -1))

    def _scores(self, output: Any) -> Tensor:
        scores = prediction_of(output).movedim(self.axis, -1)
        return scores[:, :-1] if self.shift else scores

    def _classes(self, target: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        target = target[:, 1:] if self.shift else target
        number = shape[-1]
        if target.numel() != math.prod(shape[:-1]):
            raise TargetError(
                f"A net of {number} classes that gives {tuple(shape[:-1])} predictions needs as "
                f"many labels, got a target of shape {tuple(target.shape)}. Pass loss=, a function "
                "from (output, target) to the loss of each sample in nats."
            )
        classes = target.reshape(shape[:-1]).long()
        is_void = marked(classes, self.ignored)
        bad = ~is_void & ((classes < 0) | (classes >= number))
        if bool(bad.any()):
            known = classes[~is_void]
            is_from_one = int(known.min()) == 1 and int(known.max()) == number
            mend = (
                "They seem to begin with 1: subtract 1 in the data set."
                if is_from_one
                else "Renumber them, or name the number that marks what has no label: "
                "loss=torch.nn.CrossEntropyLoss(ignore_index=...)."
            )
            raise TargetError(
                f"Labels must be class numbers from 0 to {number - 1}, as many as the net has "
                f"outputs, got {int(classes[bad][0])}. {mend}"
            )
        return classes.masked_fill(is_void, 0), ~is_void

    def draw(self, output: Any, generator: torch.Generator | None) -> Tensor:
        """Return class numbers drawn from the predicted distribution, shaped as the labels."""
        with torch.no_grad():
            whole = prediction_of(output).movedim(self.axis, -1)
            chances = log_probabilities(whole, self.scale).exp()
            flat = chances.reshape(-1, chances.shape[-1])
            drawn = draw_from(partial(torch.multinomial, num_samples=1), flat, generator)
            return drawn.reshape(chances.shape[:-1])

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Return the most likely class; the truth may be a share for each class."""
        scores = self._scores(output)
        target = as_target(target, scores.device)
        if self.shares:
            truth = target.movedim(self.axis, -1).argmax(-1)
            counted = torch.ones_like(truth, dtype=torch.bool)
        else:
            truth, counted = self._classes(target, scores.shape)
        rows = len(truth)
        predicted = scores.argmax(-1).reshape(rows, -1)
        return Decisions(predicted, truth.reshape(rows, -1), counted.reshape(rows, -1))

    def totals(self, target: Any, classes: int) -> Tensor:
        """Return (K,) how often each class is the label, over a batch."""
        target = as_tensor(target).cpu()
        if self.shares:
            shares: Tensor = target.double().movedim(self.axis, -1).reshape(-1, classes)
            return shares.sum(0)
        labels, is_void = self._labels(target)
        return torch.bincount(labels[~is_void], minlength=classes).double()

    def constant(self, totals: Tensor, target: Any) -> Terms:
        """Return (B, L) nats where every label is predicted by the frequencies of classes."""
        target = as_tensor(target).cpu()
        nats = -(totals / totals.sum()).clamp_min(math.exp(-WORST_NATS)).log()
        if self.shares:
            return _of_shares((target.double().movedim(self.axis, -1) * nats).sum(-1))
        labels, is_void = self._labels(target)
        return Terms(torch.where(is_void, 0.0, nats[labels.masked_fill(is_void, 0)]), ~is_void)

    def _labels(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, L) class numbers, and which of them do not count."""
        labels = (target[:, 1:] if self.shift else target).reshape(len(target), -1).long()
        return labels, marked(labels, self.ignored)


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """A yes or no per number of the prediction: binary labels, masks, several labels a sample.

    Labels are 0 and 1, shares between them, or, where they have signs, -1 and 1.
    """

    scale: Scale = "logits"
    ignored: tuple[int, ...] = ()
    has_signs: bool = False

    def terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        """Return (B, L) nats, for L numbers that each sample's prediction has."""
        scores = self._scores(output)
        truth, is_void = self._truth(target, scores)
        if self.scale == "logits":
            nats = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
        else:
            nats = F.binary_cross_entropy(check_probabilities(scores), truth, reduction="none")
        return Terms(torch.where(is_void, 0.0, nats), ~is_void)

    def draw(self, output: Any, generator: torch.Generator | None) -> Tensor:
        """Return zeros and ones drawn from the prediction, of its shape."""
        with torch.no_grad():
            scores = prediction_of(output).double()
            chances = scores.sigmoid() if self.scale == "logits" else check_probabilities(scores)
            return draw_from(torch.bernoulli, chances, generator).to(torch.int64)

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Return 1 where the prediction is above one half."""
        scores = self._scores(output)
        truth, is_void = self._truth(target, scores)
        above = scores > (0.0 if self.scale == "logits" else 0.5)
        return Decisions(above.long(), (truth > 0.5).long(), ~is_void)

    def _scores(self, output: Any) -> Tensor:
        scores = prediction_of(output)
        return scores.reshape(len(scores), -1).double()

    def _truth(self, target: Any, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, L) truth between 0 and 1, and where there is none."""
        target = as_rows(as_target(target, scores.device), scores)
        truth, counted = self._known(target)
        if not bool(((truth >= 0) & (truth <= 1)).all()):
            bad = float(truth[(truth < 0) | (truth > 1)][0])
            raise TargetError(
                f"Binary labels must lie between 0 and 1, got {bad:g}. Divide masks of 0 and 255 "
                "by 255, or let unpack= put -100 where there is no label."
            )
        return truth, ~counted

    def totals(self, target: Any, classes: int) -> Tensor:
        """Return (2, G) how often the label is 1 and 0, of each of several labels or of all pixels.

        A sample of shape (B, G) has G labels, each with a share of its own; one of more dimensions
        is a map, whose pixels share one.
        """
        truth, counted = self._rows(target)
        both = torch.stack([truth.sum(0), ((1 - truth) * counted).sum(0)])
        return both if as_tensor(target).ndim <= 2 else both.sum(1, keepdim=True)

    def constant(self, totals: Tensor, target: Any) -> Terms:
        """Return (B, L) nats where every label is predicted by how often it is 1."""
        truth, counted = self._rows(target)
        share = (totals[0] / totals.sum(0).clamp_min(1.0)).expand_as(truth)
        nats = F.binary_cross_entropy(share, truth, reduction="none")
        return Terms(nats * counted, counted)

    def _rows(self, target: Any) -> tuple[Tensor, Tensor]:
        rows = as_tensor(target).cpu()
        return self._known(rows.reshape(len(rows), -1))

    def _known(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels, 0 where they do not count, and which count."""
        is_void = marked(rows, self.ignored)
        truth = rows.double().masked_fill(is_void, 0.0)
        return truth.clamp_min(0.0) if self.has_signs else truth, ~is_void


def _of_shares(nats: Tensor) -> Terms:
    """Return the terms of labels that all count."""
    rows = nats.reshape(len(nats), -1)
    return Terms(rows, torch.ones_like(rows, dtype=torch.bool))
