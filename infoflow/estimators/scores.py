"""How well predicted classes agree with true ones: Dice, intersection over union, accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from infoflow.interface import ArgumentError

#: What each metric is called in tables and figures.
METRICS = {"dice": "Dice", "iou": "IoU", "accuracy": "accuracy"}


def check_metrics(metrics: Sequence[str] | None, *, is_dense: bool) -> tuple[str, ...]:
    """Return the metrics to compute; None takes the usual ones of the kind of target.

    Raises
    ------
    ArgumentError
        For a metric that is not known, for none, or for one of maps where Y is a label.
    """
    known = tuple(METRICS) if is_dense else ("accuracy",)
    if metrics is None:
        return ("dice", "iou") if is_dense else known
    if not isinstance(metrics, Sequence):
        raise ArgumentError(f"metrics must be names among {', '.join(METRICS)}, got {metrics!r}.")
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise ArgumentError(
            f"metrics must be among {', '.join(METRICS)}, got {', '.join(map(repr, unknown))}."
            if unknown
            else f"metrics must name at least one of {', '.join(known)}, got none."
        )
    misplaced = [name for name in names if name not in known]
    if misplaced:
        raise ArgumentError(
            f"{', '.join(misplaced)} compares maps, but Y is one class per sample; expected "
            "metrics=('accuracy',). Give masks as target, or leave metrics out."
        )
    return tuple(dict.fromkeys(names))


def count_overlaps(predicted: Tensor, true: Tensor, count: int) -> Tensor:
    """Count for each sample and class the pixels that are predicted, true, and both.

    Parameters
    ----------
    predicted, true
        (N, ...) class numbers below ``count``; where the true one is negative, there is no label
        and nothing is counted.
    count
        Number of classes.

    Returns
    -------
    Tensor
        int64, shape (N, count, 3): predicted and true, predicted, true.

    Examples
    --------
    >>> count_overlaps(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 1]]), 2).tolist()
    [[[1, 1, 2], [1, 2, 1]]]
    """
    predicted, true = predicted.flatten(1).long(), true.flatten(1).long()
    is_void = true < 0
    predicted, true = predicted.masked_fill(is_void, count), true.masked_fill(is_void, count)
    both = torch.where(predicted == true, true, count)
    columns = [_counts(values, count) for values in (both, predicted, true)]
    return torch.stack(columns, dim=2)


def _counts(values: Tensor, count: int) -> Tensor:
    """Count each class in each row; what equals ``count`` is left out."""
    found = torch.zeros(len(values), count + 1, dtype=torch.int64, device=values.device)
    return found.scatter_add_(1, values, torch.ones_like(values))[:, :count]


def score(metric: str, overlaps: Tensor) -> Tensor:
    """Return a metric for every sample, float64 of shape (N,), from 0 to 1.

    Dice is 2·|P∩T| / (|P| + |T|) and IoU |P∩T| / |P∪T|, of the pixels P that are predicted to be
    of a class and those T that are; both are means over the classes that occur in either, but for
    the first, which is the background. A sample without any of them counts 1. Accuracy is the
    share of pixels, or labels, that are right.

    Examples
    --------
    >>> overlaps = count_overlaps(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 1]]), 2)
    >>> [round(score(metric, overlaps).item(), 3) for metric in ("dice", "iou", "accuracy")]
    [0.667, 0.5, 0.667]
    """
    both, predicted, true = overlaps.to(torch.float64).unbind(dim=2)
    if metric == "accuracy":
        return both.sum(dim=1) / true.sum(dim=1)
    both, total = both[:, 1:], (predicted + true)[:, 1:]
    occurs = total > 0
    either = total.clamp(min=1)
    each = 2 * both / either if metric == "dice" else both / (either - both)
    mean = (each * occurs).sum(dim=1) / occurs.sum(dim=1).clamp(min=1)
    return torch.where(occurs.any(dim=1), mean, 1.0)
