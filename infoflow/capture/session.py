"""A model, undisturbed and traced, beside the samples of a loader: what every measurement needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.reading_options import ReadingOptions
from infoflow.capture.traced_model import TracedModel, argument_model, check_noise, check_plain
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.model_state import check_model
from infoflow.graph.running.ranks import ALONE, Ranks
from infoflow.graph.running.same_net import same_net
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.graph.selection import LayerChoice, named_layers
from infoflow.graph.tracing.unseen import describe_unseen
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import (
    ActivationError,
    Estimator,
    InfoflowError,
    Layer,
    UnmeasurableWarning,
    UnseenWeightsWarning,
    warn,
)


@dataclass(frozen=True, eq=False)
class Session:
    """A traced model in evaluation mode, and the samples of a loader.

    Parameters
    ----------
    net
        The model, traced on the first two samples.
    samples
        All samples, as often as they are needed.
    example
        The first two.
    device
        Where the model is.
    reading
        How the samples are read.
    """

    net: TracedModel
    samples: Samples
    example: Batch
    device: torch.device
    reading: ReadingOptions

    @property
    def graph(self) -> LayerGraph:
        """The layer graph of the model."""
        return self.net.graph

    @property
    def model(self) -> nn.Module:
        """The module whose ``forward`` names the arguments."""
        return argument_model(self.net.model)

    def layers(self, choice: LayerChoice) -> tuple[Layer, ...]:
        """Return the chosen layers that can be measured; see :func:`measurable`."""
        return self.net.with_noise(measurable(self.graph, choice), choice)

    def bar(self, passes: int) -> Any:
        """Return a progress bar over all batches of all passes."""
        per_pass = self.samples.batches_per_pass
        total = None if per_pass is None else per_pass * passes
        title = "measuring" if passes == 1 else f"measuring in {passes} passes"
        return self.reading.bar(total, title, "batch")

    @contextmanager
    def beside(self, loader: Iterable[Any]) -> Iterator[Samples]:
        """Read another loader with the same options; it is left as it was."""
        with undisturbed(self.net.model, loader, None):
            yield _samples(loader, self.net.model, self.device, self.reading, self.graph.reduce)


@contextmanager
def open_session(
    model: nn.Module,
    loader: Iterable[Any],
    reading: ReadingOptions,
    *,
    tracing: TracingOptions | None = None,
    reduce: Reduce = "flatten",
    estimator: Estimator | None = None,
    caller: str = "",
    ranks: Ranks = ALONE,
) -> Iterator[Session]:
    """Trace a model on a loader's first samples; all is left as it was when the session ends.

    Parameters
    ----------
    model, loader, reading
        What is run, on what, and how that is read.
    tracing, reduce
        As for :func:`infoflow.trace`.
    estimator
        What will estimate; it decides whether a net with noise inside is wanted. Without one, nets
        with noise inside are refused in the name of ``caller``.
    ranks
        The processes that measure together.

    Raises
    ------
    InfoflowError
        If the model is no module, cannot be traced, or the loader gives no samples that suit it.
    """
    if estimator is None:
        check_plain(model, caller)
    else:
        check_model(model)
        check_noise(model, estimator)
    if not ranks.is_first:
        reading = replace(reading, progress=False)
    with undisturbed(model, loader, reading.device) as device, same_net(model, ranks):
        samples = _samples(loader, model, device, reading, reduce, ranks)
        example = samples.example()
        net = _traced(model, example, TracingOptions.of(tracing), reduce)
        _warn_of_unseen_weights(net.graph)
        yield Session(net, samples, example, device, reading)


def _traced(
    model: nn.Module, example: Batch, tracing: TracingOptions, reduce: Reduce
) -> TracedModel:
    """Trace a model; on a single sample twice, since it may squeeze the dimension of one away."""
    if example.size == 1:
        try:
            return TracedModel(model, example.call.twice(), tracing, reduce)
        except InfoflowError:  # it takes one sample at a time
            pass
    return TracedModel(model, example.call, tracing, reduce)


def _samples(
    loader: Iterable[Any],
    model: nn.Module,
    device: torch.device,
    reading: ReadingOptions,
    reduce: Reduce,
    ranks: Ranks = ALONE,
) -> Samples:
    return Samples(
        loader,
        unpack=reading.unpack,
        model=argument_model(model),
        device=device,
        seed=reading.seed,
        reduce=reduce,
        ranks=ranks,
    )


def _warn_of_unseen_weights(graph: LayerGraph) -> None:
    unseen = graph.verification.unseen
    if unseen:
        warn(f"{graph.model}: {describe_unseen(unseen)}.", UnseenWeightsWarning)


def measurable(graph: LayerGraph, choice: LayerChoice) -> tuple[Layer, ...]:
    """Return the chosen layers, without those that have no row per sample and are not named."""
    chosen = graph.select(choice)
    named = named_layers(graph, choice)
    kept = tuple(
        layer for layer in chosen if layer.name in named or layer.name not in graph.unmeasurable
    )
    left_out = [layer.name for layer in chosen if layer not in kept]
    if left_out:
        reason = graph.unmeasurable[left_out[0]]
        message = (
            f"{len(left_out)} of {len(chosen)} layers have no row per sample, such as "
            f"{left_out[0]}: {reason}."
        )
        if not kept:
            raise ActivationError(f"{message} Nothing is left to measure; choose other layers=.")
        warn(f"{message} They are left out.", UnmeasurableWarning)
    return kept
