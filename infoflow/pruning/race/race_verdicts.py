"""What a net in training loses on held-out samples, in bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from infoflow.capture.batches import Samples
from infoflow.capture.unpack import Unpack
from infoflow.graph import LayerGraph
from infoflow.graph.running.checks import explain_failure, output_of
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.random_state import seeded
from infoflow.interface import ArgumentError, PruningWarning, warn
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.ablation.bounds import FEWEST_SAMPLES
from infoflow.pruning.ablation.losses import LossWarning, SampleLoss, resolve_loss
from infoflow.pruning.ablation.other_criteria import LossFunction
from infoflow.pruning.ablation.seen import first_and_facts

#: Returns the held-out loss of a net, in bits per label.
Evaluate = Callable[[nn.Module], float]


def make_evaluate(
    evaluate: Evaluate | None,
    held_out: Iterable[Any] | None,
    loss: str | SampleLoss | LossFunction,
    graph: LayerGraph,
    unpack: Unpack | None,
) -> Evaluate:
    """Return the function that judges nets: the caller's, or the mean loss on held-out samples.

    Raises
    ------
    ArgumentError
        If there is neither or both, or the loss cannot be guessed.
    """
    if (evaluate is None) == (held_out is None):
        given = "neither" if evaluate is None else "both"
        raise ArgumentError(
            "A race needs held_out=, a loader of samples that are not trained on, or evaluate=, a "
            f"function from a net to its held-out loss in bits; got {given}."
        )
    if evaluate is not None:
        return evaluate
    assert held_out is not None
    return HeldOut(held_out, loss, graph, unpack).bits


class HeldOut:
    """The mean loss of nets on held-out samples, in bits per label.

    Parameters
    ----------
    loader
        Batches of inputs and targets.
    loss
        As for :func:`~infoflow.pruning.ablation.losses.resolve_loss`.
    graph
        Of the whole net, which tells what it ends in.
    unpack
        As for :func:`infoflow.analyze`.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        loss: str | SampleLoss | LossFunction,
        graph: LayerGraph,
        unpack: Unpack | None,
    ) -> None:
        self._samples = Samples(loader, unpack=unpack, model=graph.source.model)
        first, facts = first_and_facts(self._samples.batches())
        self._samples.drop_targets()
        net = graph.source.model
        with evaluation_mode(net), torch.no_grad(), seeded():
            try:
                output = first.call.of(net)
            except Exception as error:
                raise explain_failure(net, first.call, error, "held_out=") from error
        self.loss = resolve_loss(
            loss,
            output=output,
            target=first.target,
            call=first.call,
            graph=graph,
            facts=facts,
        )
        if self.loss.is_ratio:
            warn(
                "loss='regression': a race compares squared errors, in units of 2 ln 2 times the "
                "untrained whole net's, not the logarithm of their ratio.",
                LossWarning,
            )
        if self._samples.count < FEWEST_SAMPLES:
            warn(
                f"held_out= has {self._samples.count} samples, expected at least {FEWEST_SAMPLES}: "
                "the race's intervals are over seeds, and say nothing of other samples. Hold out "
                "more.",
                PruningWarning,
            )

    def bits(self, net: nn.Module) -> float:
        """Return what a net loses, in bits per label."""
        device = next((p.device for p in net.parameters()), torch.device("cpu"))
        total = labels = 0.0
        with evaluation_mode(net), torch.no_grad(), seeded():
            for batch in self._samples.batches():
                call = batch.call.map(lambda tensor: tensor.to(device))
                found = self.loss(output_of(net, call), batch.target, call)
                total += float((found.bits * found.labels).sum())
                labels += float(found.labels.sum())
        return total / labels


def checked_bits(found: object, *, is_whole: bool) -> float:
    """Return a held-out loss as a number; an ArgumentError where it is none.

    A variant that diverged loses infinitely many bits; a whole net that did is refused.
    """
    try:
        value = float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise ArgumentError(
            f"evaluate must return one number, the held-out loss in bits, got "
            f"{type(found).__name__}. Return a float."
        ) from error
    if value != value or abs(value) == float("inf"):
        if is_whole:
            raise ArgumentError(
                f"The whole net's held-out loss must be finite, got {value}: it diverged, or the "
                "data hold what is no number. Check train= with a smaller learning rate."
            )
        return float("inf")
    return value
