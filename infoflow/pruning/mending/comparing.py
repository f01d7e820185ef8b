"""How much worse a net is than the whole net on samples that did not mend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoflow.capture.batches import Batch
from infoflow.graph import LayerGraph
from infoflow.graph.running.checks import output_of
from infoflow.interface import ArgumentError, TargetError
from infoflow.pruning.ablation.losses import SampleLoss, resolve_loss
from infoflow.pruning.ablation.outputs import holds_distributions, link_of, prediction_of
from infoflow.pruning.ablation.pairs import paired
from infoflow.pruning.ablation.seen import first_and_facts

Distance = Literal["softmax", "sigmoid", "squares"]
#: What ``loss=`` of :func:`infoflow.prune` takes.
LossChoice = str | Callable[..., Any]


class Judge(Protocol):
    """Tells how much worse a net predicts than the whole net, in bits."""

    @property
    def measure(self) -> str:
        """What the bits are of, in words."""

    def __call__(self, net: nn.Module) -> float:
        """Return the bits that a net in evaluation mode loses."""


@dataclass(frozen=True, eq=False)
class LossJudge:
    """The rise of the prediction loss, where samples have labels."""

    whole: nn.Module
    loss: SampleLoss
    batches: Callable[[], Iterable[Batch]]

    @property
    def measure(self) -> str:
        """Bits per label."""
        return f"the rise of the loss ({self.loss.kind}), in bits per {self.loss.per}"

    def __call__(self, net: nn.Module) -> float:
        """Return bits lost per label."""
        rises, weights = 0.0, 0.0
        pairs = None
        for batch in self.batches():
            whole, other = (
                self.loss(output_of(one, batch.call), batch.target, batch.call)
                for one in (self.whole, net)
            )
            pairs = paired(self.loss, whole, other)
            rises += float(pairs.rises.sum())
            weights += float(pairs.weights.sum())
        assert pairs is not None
        return pairs.to_bits(rises / weights) if weights else math.nan


@dataclass(frozen=True, eq=False)
class DivergenceJudge:
    """The divergence from the whole net's own prediction, where samples have no labels."""

    whole: nn.Module
    distance: Distance
    axis: int
    is_scores: bool
    batches: Callable[[], Iterable[Batch]]

    @property
    def measure(self) -> str:
        """Bits per prediction."""
        what = {
            "softmax": "Kullback-Leibler divergence of the classes, in bits per prediction",
            "sigmoid": "Kullback-Leibler divergence of each yes or no, in bits per value",
            "squares": "½ log₂(1 + squared difference / variance), in bits per value",
        }[self.distance]
        return f"the distance from the whole net's own prediction: {what}"

    def __call__(self, net: nn.Module) -> float:
        """Return the bits by which the predictions differ."""
        total, count = 0.0, 0
        squares, values = 0.0, []
        for batch in self.batches():
            whole, other = (
                prediction_of(output_of(one, batch.call)).double() for one in (self.whole, net)
            )
            if self.distance == "squares":
                squares += float((whole - other).square().sum())
                values.append(torch.stack([whole.sum(), whole.square().sum()]))
                count += whole.numel()
                continue
            found = self._divergence(whole, other)
            total += float(found.sum())
            count += found.numel()
        if self.distance != "squares":
            return total / count / math.log(2)
        first, second = (float(part) / count for part in torch.stack(values).sum(0))
        variance = second - first**2
        return 0.5 * math.log2(1 + squares / count / variance) if variance > 0 else math.nan

    def _divergence(self, whole: Tensor, other: Tensor) -> Tensor:
        if self.distance == "softmax":
            ours, theirs = (self._log_softmax(one) for one in (whole, other))
            return (ours.exp() * (ours - theirs)).sum(self.axis)
        ours, theirs = (self._log_odds(one) for one in (whole, other))
        chance = ours.sigmoid()
        return chance * (functional.logsigmoid(ours) - functional.logsigmoid(theirs)) + (
            1 - chance
        ) * (functional.logsigmoid(-ours) - functional.logsigmoid(-theirs))

    def _log_softmax(self, value: Tensor) -> Tensor:
        if self.is_scores:
            return value.log_softmax(self.axis)
        return value.clamp_min(torch.finfo(torch.float32).tiny).log()

    def _log_odds(self, value: Tensor) -> Tensor:
        return value if self.is_scores else value.logit(eps=1e-7)


def judge_of(
    graph: LayerGraph, loss: LossChoice, batches: Callable[[], Iterable[Batch]]
) -> tuple[Judge, tuple[str, ...]]:
    """Return what tells nets apart on samples, and what is to be said of it.

    Parameters
    ----------
    graph
        The whole net's graph.
    loss
        As for :func:`infoflow.ablate`.
    batches
        Goes through the samples that choose; the same every time.
    """
    whole = graph.program.model
    batch, facts = first_and_facts(batches())
    output = output_of(whole, batch.call)
    notes: tuple[str, ...] = ()
    try:
        found = resolve_loss(
            loss,
            output=output,
            target=batch.target,
            call=batch.call,
            graph=graph,
            facts=facts,
        )
        return LossJudge(whole, found, batches), notes
    except TargetError:
        if callable(loss):
            raise
    except ArgumentError as error:
        if loss != "auto":
            raise
        if batch.target is not None:
            why = str(error).partition(". ")[0]
            notes = (f"labels were not used to choose, since their loss is not known ({why})",)
    return _divergence(whole, output, graph, loss, batches), notes


def _divergence(
    whole: nn.Module,
    output: Any,
    graph: LayerGraph,
    loss: LossChoice,
    batches: Callable[[], Iterable[Batch]],
) -> DivergenceJudge:
    prediction, link = prediction_of(output), link_of(graph, output)
    axis = -1 if prediction.ndim == 3 else 1
    if link == "softmax":
        axes: Sequence[int] = [a for a in (1, -1) if holds_distributions(prediction, a)]
        return DivergenceJudge(whole, "softmax", axes[0] if axes else axis, False, batches)
    if link == "log_softmax" or loss in ("cross_entropy", "next_token", "masked"):
        return DivergenceJudge(whole, "softmax", axis, True, batches)
    if link == "sigmoid" or loss == "binary":
        return DivergenceJudge(whole, "sigmoid", axis, link != "sigmoid", batches)
    return DivergenceJudge(whole, "squares", axis, True, batches)
