"""The user's metric, sample by sample where that can be."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError, ArgumentTypeError, TargetError
from infoflow.interface.argument_checks import called
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.ablation.criteria import Decisions
from infoflow.pruning.ablation.losses import SampleLoss
from infoflow.pruning.ablation.outputs import prediction_of
from infoflow.pruning.ablation.seen import target_of
from infoflow.pruning.ablation.target_facts import TargetFacts
from infoflow.pruning.ablation.values import are_alike, as_target, numbers_of

NAMES = ("accuracy", "dice", "iou", "psnr")
_CHOICES = (
    f"one of {', '.join(map(repr, NAMES))}, a function from a net to a number, or a function from "
    "(output, target) to a number for each sample"
)

#: A sample without any error counts as this many decibels.
LARGEST_PSNR = 100.0


@dataclass(frozen=True)
class Metric:
    """A number that tells how good a net is, of each sample or of the whole net.

    Made by :func:`resolve_metric`.

    Parameters
    ----------
    name
        What it is called in tables.
    of
        ``"sample"``: :meth:`per_sample` gives one number a sample, and their mean is the metric;
        ``"net"``: :meth:`of_net` gives one number, without an interval.
    lower_is_better
        Whether a larger number is worse.
    """

    name: str
    of: Literal["sample", "net"]
    function: Callable[..., Any]
    lower_is_better: bool = False

    def per_sample(self, output: Any, target: Any, call: Arguments | None = None) -> Tensor:
        """Return the metric of each sample of a batch, (B,) float64; NaN for what has no label.

        Raises
        ------
        ArgumentError
            If it is not a number for each sample, or not finite.
        """
        samples = len(prediction_of(output))
        with torch.no_grad():
            found = called("metric", self.function, output, target_of(target, call, ""))
        advice = "Average over all but the first dimension, or pass a function of the net."
        values = numbers_of("metric", found, samples, advice).detach().cpu()
        if bool(values.isinf().any()) or (self.name not in NAMES and bool(values.isnan().any())):
            raise ArgumentError(
                f"metric {self.name!r} must be finite, got "
                f"{float(values[~values.isfinite()][0])}. Check it on the whole net."
            )
        return values

    def of_net(self, model: nn.Module) -> float:
        """Return the metric of a net; an ArgumentError where it is no finite number."""
        found = called("metric", self.function, model)
        try:
            value = float(found)
        except (TypeError, ValueError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            raise ArgumentError(
                f"metric must return one number for a net, got {type(found).__name__}. Return a "
                "float."
            ) from error
        if not math.isfinite(value):
            raise ArgumentError(
                f"metric must return a finite number, got {value}. Check it on the whole net."
            )
        return value


def resolve_metric(
    metric: str | Metric | Callable[..., Any],
    *,
    loss: SampleLoss,
    target: Any = None,
    facts: TargetFacts | None = None,
    lower_is_better: bool = False,
) -> Metric:
    """Return the metric that ``metric`` stands for.

    Parameters
    ----------
    metric
        ``"accuracy"`` (share of labels, pixels or tokens); ``"dice"`` or ``"iou"`` (of masks; of
        several classes the mean over those that the sample or its prediction has); ``"psnr"`` in
        decibels; a function of one argument, the net, that returns a number; or a function of
        (output, target) that returns a number for each sample.
    loss
        Tells which class a net decides for, and what has no label.
    target
        A batch of targets, which tells the range of pixels for ``"psnr"``.
    facts
        What the targets of all batches show together, which tells more; None for this batch alone.
    lower_is_better
        Whether a larger number is worse; for functions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If it is none of these.

    Examples
    --------
    >>> from infoflow.pruning.ablation.losses import resolve_loss
    >>> logits, masks = torch.tensor([[[[3.0, -3.0]]]]), torch.tensor([[[[1, 1]]]])
    >>> loss = resolve_loss("auto", output=logits, target=masks)
    >>> round(float(resolve_metric("dice", loss=loss).per_sample(logits, masks)), 3)
    0.667
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return _named(metric, loss, target, facts)
    if not callable(metric) or isinstance(metric, type):
        raise ArgumentTypeError(f"metric must be {_CHOICES}, got {type(metric).__name__}.")
    name = getattr(metric, "__name__", type(metric).__name__)
    of: Literal["sample", "net"] = "net" if _arguments(metric) == 1 else "sample"
    return Metric(name, of, metric, lower_is_better)


def _arguments(function: Callable[..., Any]) -> int:
    """Return 1 for a function of the net, 2 for one of output and target."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in places and p.default is inspect.Parameter.empty]
    is_open = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    count = 2 if is_open and len(needed) < 2 else len(needed)
    if count not in (1, 2):
        raise ArgumentTypeError(
            f"metric must be a function of one argument, the net, or of two, output and target; "
            f"got one that needs {count}."
        )
    return count


def _named(name: str, loss: SampleLoss, target: Any, facts: TargetFacts | None) -> Metric:
    if name not in NAMES:
        raise ArgumentError(f"metric must be {_CHOICES}, got {name!r}.")
    if name == "psnr":
        if loss.kind in ("cross_entropy", "next_token", "masked"):
            raise ArgumentError(
                "metric='psnr' compares values, such as those of an image, and this net's target "
                "holds classes. Pass metric='accuracy', or 'dice' or 'iou' for masks."
            )
        peak = _peak(target, facts)
        return Metric(name, "sample", lambda output, truth: _psnr(output, truth, peak))
    score = {"accuracy": _accuracy, "dice": _dice, "iou": _iou}[name]
    return Metric(name, "sample", lambda output, truth: score(loss.decisions(output, truth)))


def _accuracy(found: Decisions) -> Tensor:
    right = (found.predicted == found.truth) & found.counted
    return right.sum(1).double() / found.counted.sum(1)


def _overlaps(found: Decisions) -> tuple[Tensor, Tensor, Tensor]:
    """Return what prediction and truth share, and the size of each, (B, classes)."""
    number = max(int(found.predicted.max()), int(found.truth.max())) + 1
    # of yes and no, only yes is an object; of more classes each is one
    classes = range(1, 2) if number <= 2 else range(number)
    shared, predicted, true = [], [], []
    for label in classes:
        is_predicted = (found.predicted == label) & found.counted
        is_true = (found.truth == label) & found.counted
        shared.append((is_predicted & is_true).sum(1))
        predicted.append(is_predicted.sum(1))
        true.append(is_true.sum(1))
    return (
        torch.stack(shared, 1).double(),
        torch.stack(predicted, 1).double(),
        torch.stack(true, 1).double(),
    )


def _over_classes(scores: Tensor, sizes: Tensor, counted: Tensor) -> Tensor:
    """Average over classes that are there; 1 where neither prediction nor truth has any."""
    is_there = sizes > 0
    means = torch.where(is_there, scores, 0.0).sum(1) / is_there.sum(1).clamp_min(1)
    means = torch.where(is_there.any(1), means, 1.0)
    return torch.where(counted.any(1), means, torch.nan)


def _dice(found: Decisions) -> Tensor:
    shared, predicted, true = _overlaps(found)
    sizes = predicted + true
    return _over_classes(2 * shared / sizes, sizes, found.counted)


def _iou(found: Decisions) -> Tensor:
    shared, predicted, true = _overlaps(found)
    union = predicted + true - shared
    return _over_classes(shared / union, union, found.counted)


def _peak(target: Any, facts: TargetFacts | None) -> float:
    """Return the range of pixels: 1, 2 or 255, as usual; else the largest less the smallest."""
    if target is None:
        return 1.0
    values = as_target(target, torch.device("cpu"))
    seen = TargetFacts.of(values) if facts is None else facts
    low, high = seen.low, seen.high
    if not values.is_floating_point() and low >= 0 and high <= 255:
        return 255.0
    for bottom, top in ((0.0, 1.0), (-1.0, 1.0)):
        if low >= bottom and high <= top:
            return top - bottom
    return 255.0 if low >= 0 and 1 < high <= 255 else high - low


def _psnr(output: Any, target: Any, peak: float) -> Tensor:
    values = prediction_of(output).double()
    truth = as_target(target, values.device).double()
    if not are_alike(tuple(values.shape), tuple(truth.shape)):
        raise TargetError(
            f"metric='psnr' needs a target of the prediction's shape {tuple(values.shape)}, got "
            f"{tuple(truth.shape)}. Let unpack= permute or resize it."
        )
    values, truth = values.reshape(len(values), -1), truth.reshape(len(values), -1)
    errors = (values - truth).square().mean(1)
    decibels = 10 * torch.log10(peak**2 / errors)
    return decibels.clamp(max=LARGEST_PSNR)
