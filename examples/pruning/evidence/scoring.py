"""What a prediction loses, sample by sample, and what people read beside it.

This is the study's own arithmetic: it shares nothing with what it judges.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from evidence.entry import Kind, Metric, Samples


def sample_nats(kind: Kind, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return each sample's loss, (N,): nats per label, pixel or token, or the squared error."""
    if kind == "classes":
        scores = outputs.flatten(0, -2)
        loss = functional.cross_entropy(scores, targets.flatten(), reduction="none")
    elif kind == "logits":
        loss = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    elif kind == "probabilities":
        loss = functional.binary_cross_entropy(outputs, targets, reduction="none")
    else:
        loss = (outputs - targets).square()
    return loss.reshape(len(targets), -1).mean(1)


def constant_loss(kind: Kind, targets: Tensor) -> float | None:
    """Return what the best constant prediction loses, in bits per label; None for squared errors.

    Examples
    --------
    >>> constant_loss("classes", torch.tensor([0, 1, 2, 3]))
    2.0
    """
    if kind == "squares":
        return None
    shares = torch.bincount(targets.flatten().long()).double() / targets.numel()
    return float(torch.special.entr(shares).sum()) / math.log(2)


def unit_of(kind: Kind) -> float:
    """Return what a loss is divided by: nats per bit, but 1 for a squared error."""
    return 1.0 if kind == "squares" else math.log(2)


def sample_scores(metric: Metric, kind: Kind, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return each sample's metric, (N,): larger is better."""
    if metric == "accuracy":
        return (outputs.argmax(-1) == targets).double().reshape(len(targets), -1).mean(1)
    if metric == "psnr":
        # peak: images from 0 to 1 were divided by 0.25
        return -10 * torch.log10(sample_nats("squares", outputs, targets).double() / 16)
    threshold = 0.0 if kind == "logits" else 0.5
    found, true = (outputs > threshold).flatten(1), (targets > 0.5).flatten(1)
    both = (found & true).sum(1).double()
    total = (found.sum(1) + true.sum(1)).double()
    return torch.where(total > 0, 2 * both / total.clamp(min=1), 1.0)


@torch.no_grad()
def score(
    model: nn.Module, samples: Samples, kind: Kind, metric: Metric, batch_size: int = 64
) -> tuple[Tensor, Tensor]:
    """Return each sample's loss and metric, two float64 tensors (N,).

    The loss is in bits, but for a squared error, which has no unit of information by itself.
    """
    model.eval()
    losses, scores = [], []
    for inputs, targets in zip(*(part.split(batch_size) for part in samples), strict=True):
        outputs = model(inputs)
        losses.append(sample_nats(kind, outputs, targets).double() / unit_of(kind))
        scores.append(sample_scores(metric, kind, outputs, targets))
    return torch.cat(losses), torch.cat(scores)
