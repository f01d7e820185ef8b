"""The loss in nats of a regression, or of a caller's function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from infoflow.graph.running.arguments import Arguments
from infoflow.interface.argument_checks import called
from infoflow.pruning.ablation.criteria import Decisions, Terms
from infoflow.pruning.ablation.model_loss import ModelLoss, undecided
from infoflow.pruning.ablation.outputs import prediction_of
from infoflow.pruning.ablation.values import (
    as_rows,
    as_target,
    as_tensor,
    check_nats,
    draw_from,
    numbers_of,
)


@dataclass(frozen=True)
class Gaussian:
    """Squared errors as the code length of a normal distribution, without its constant.

    Parameters
    ----------
    variance
        Of the distribution, in squared units of the target: a scale, which drops out of the rise.
    """

    variance: float = 1.0

    def terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        """Return (B, L) squared errors over twice the variance, for L numbers of each sample."""
        values = prediction_of(output)
        values = values.reshape(len(values), -1).double()
        truth = as_rows(as_target(target, values.device), values).double()
        nats = (values - truth).square() / (2 * self.variance)
        return Terms(nats, torch.ones_like(nats, dtype=torch.bool))

    def draw(self, output: Any, generator: torch.Generator | None) -> Tensor:
        """Return the prediction with normal noise of the variance added."""
        with torch.no_grad():
            values = prediction_of(output)
            noise = draw_from(_normal, values, generator)
            return values + noise * math.sqrt(self.variance)

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Raise an ArgumentError: a regression decides for no class."""
        raise undecided()

    def totals(self, target: Any, classes: int) -> Tensor:
        """Return (2, G) sum and number of the values, of each of several or of a whole map."""
        truth = as_tensor(target).cpu()
        rows = truth.reshape(len(truth), -1).double()
        both = torch.stack([rows.sum(0), torch.full_like(rows[0], len(rows))])
        return both if truth.ndim <= 2 else both.sum(1, keepdim=True)

    def constant(self, totals: Tensor, target: Any) -> Terms:
        """Return (B, L) nats where every value is predicted by its mean."""
        truth = as_tensor(target).cpu()
        rows = truth.reshape(len(truth), -1).double()
        nats = (rows - totals[0] / totals[1]).square() / (2 * self.variance)
        return Terms(nats, torch.ones_like(nats, dtype=torch.bool))


#: From (output, target) to the loss of each sample in nats, (B,).
LossFunction = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class FunctionLoss:
    """A caller's function from (output, target) to (B,) nats."""

    function: LossFunction = field(repr=False)

    def terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        """Return (B, 1) nats; an ArgumentError where the function gives something else."""
        found = called("loss", self.function, output, target)
        samples = len(prediction_of(output)) if call is None else call.samples
        advice = "Use reduction='none', and average over all but the first dimension."
        nats = check_nats(numbers_of("loss", found, samples, advice))
        return Terms(nats[:, None], torch.ones_like(nats, dtype=torch.bool)[:, None])

    def draw(self, output: Any, generator: torch.Generator | None) -> Tensor:
        """Raise an ArgumentError: what the loss is of is not known."""
        return ModelLoss().draw(output, generator)

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Raise an ArgumentError: what the loss is of is not known."""
        raise undecided()

    def totals(self, target: Any, classes: int) -> None:
        """Return None: what could be predicted without an input is not known."""

    def constant(self, totals: Tensor, target: Any) -> Terms:
        """Raise an ArgumentError: there is no constant prediction."""
        raise undecided()


def _normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.empty_like(like).normal_(generator=generator)
