"""A traced model with or without noise inside, and how its values come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from infoflow.capture.batches import Samples
from infoflow.capture.collect import Step, value_dtype
from infoflow.capture.draws import collect_draws, passes_for_draws
from infoflow.capture.noisy import NoisyNet
from infoflow.capture.reading_options import DistanceOptions
from infoflow.capture.sketch import Gathered
from infoflow.capture.strategy import Strategy, choose_strategy, gather
from infoflow.estimators.statistics import Draws
from infoflow.graph import LayerGraph, trace
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.model_state import check_model
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, Estimator, Layer, Statistic


def check_noise(model: nn.Module, estimator: Estimator) -> None:
    """Raise an ArgumentError where the net and the estimator do not agree about noise inside."""
    is_noisy, wants_noise = isinstance(model, NoisyNet), isinstance(estimator.statistic, Draws)
    if wants_noise and not is_noisy:
        raise ArgumentError(
            f"estimator {estimator.name!r} needs Gaussian noise inside the net, got "
            f"{type(model).__name__} without any. Measure infoflow.NoisyNet(model, beta=0.1), or "
            "choose estimator='kde', whose noise is added for the measurement only."
        )
    if is_noisy and not wants_noise:
        raise ArgumentError(
            f"estimator {estimator.name!r} takes one value for each sample, got a NoisyNet, whose "
            "values are drawn. Use estimator=infoflow.SamplePropagation(), or measure its .model."
        )


def check_plain(model: object, caller: str) -> None:
    """Raise an ArgumentError for what is no module, and for a net with noise inside."""
    check_model(model)
    if isinstance(model, NoisyNet):
        raise ArgumentError(
            f"{caller} takes one value for each sample, got a NoisyNet, whose values are drawn. "
            "Give it the net without noise, its .model."
        )


def argument_model(model: nn.Module) -> nn.Module:
    """Return the module whose ``forward`` names the arguments."""
    return model.model if isinstance(model, NoisyNet) else model


class TracedModel:
    """A model that was traced with an example; see :func:`infoflow.trace` for the settings.

    Attributes
    ----------
    model
        The model.
    graph
        Its layer graph.
    """

    def __init__(
        self,
        model: nn.Module,
        call: Arguments,
        tracing: TracingOptions,
        reduce: Reduce = "flatten",
    ) -> None:
        self.model = model
        self._noisy = model if isinstance(model, NoisyNet) else None
        if self._noisy is None:
            self.graph: LayerGraph = trace(
                model, call, leaves=tracing.leaves, opened=tracing.opened, reduce=reduce
            )
            return
        if tracing != TracingOptions() or reduce != "flatten":
            raise ArgumentError(
                "tracing= must be set on the NoisyNet itself, and reduce must be 'flatten' there, "
                f"got {tracing} and reduce={reduce!r}. Write infoflow.NoisyNet(model, beta=..., "
                "leaves=...)."
            )
        self.graph = self._noisy.graph(call)

    def with_noise(self, layers: tuple[Layer, ...], named: LayerChoice) -> tuple[Layer, ...]:
        """Return those of ``layers`` that have noise, all where the net is not a noisy one.

        An ArgumentError where ``named`` asks for others, too.
        """
        if self._noisy is None:
            return layers
        names = [layer.name for layer in self._noisy.noisy_layers()]
        kept = tuple(layer for layer in layers if layer.name in names)
        left_out = [layer.name for layer in layers if layer.name not in names]
        if left_out and (named != "all" or not kept):
            raise ArgumentError(
                f"Layer {left_out[0]} has no noise of its own, so that I(X;T) cannot be told from "
                f"draws; expected layers among {', '.join(names)}. Choose those, or give it noise "
                "with infoflow.NoisyNet(model, beta=..., layers=...)."
            )
        return kept

    def strategy(
        self,
        layers: Sequence[Layer],
        samples: Samples,
        statistic: Statistic,
        *,
        budget: int,
        distances: DistanceOptions,
        takes_rows: bool,
        takes_anchors: bool,
    ) -> Strategy:
        """Return how :meth:`gather` will collect a statistic."""
        if self._noisy is not None and isinstance(statistic, Draws):
            passes = passes_for_draws(self._noisy, samples, layers, statistic, budget)
            return Strategy(False, distances.sketch_size, None, passes)
        return choose_strategy(
            layers,
            samples.count,
            statistic,
            budget=budget,
            bytes_per_value=value_dtype(self.graph).itemsize,
            distances=distances,
            takes_rows=takes_rows,
            takes_anchors=takes_anchors,
        )

    def gather(
        self,
        samples: Samples,
        layers: Sequence[Layer],
        statistic: Statistic,
        strategy: Strategy,
        *,
        budget: int,
        step: Step = lambda: None,
    ) -> Iterator[Gathered]:
        """Yield each layer with its statistic over all samples."""
        if self._noisy is not None and isinstance(statistic, Draws):
            draws = collect_draws(self._noisy, samples, layers, statistic, budget=budget, step=step)
            return (Gathered(layer, values) for layer, values in draws)
        return gather(self.graph, samples, layers, statistic, strategy, budget=budget, step=step)
