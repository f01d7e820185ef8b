"""The values of a graph's layers for one batch, with a row for each sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infoflow.graph.reduce import Reduce, reduce_positions
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.pytree import first_tensor
from infoflow.graph.tracing.program import per_sample
from infoflow.graph.tracing.source import Source
from infoflow.interface import ActivationError, InfoflowError, Layer

Receive = Callable[[Layer, Tensor], object]


@dataclass(frozen=True, eq=False)
class LayerValues:
    """Computes layers and hands over their rows; see :meth:`infoflow.LayerGraph.visit`.

    Parameters
    ----------
    source
        What computes raw values.
    layers
        The graph's layers, by name.
    unmeasurable
        Those without a row for each sample, each with the reason.
    reduce, positions
        What of values with positions is measured, and the dimensions of positions by layer.
    axes
        For each layer the dimension that counts samples; 0 where it is not named.
    """

    source: Source
    layers: Mapping[str, Layer]
    unmeasurable: Mapping[str, str]
    reduce: Reduce
    positions: Mapping[str, tuple[int, ...]]
    axes: Mapping[str, int]

    def visit(self, call: Arguments, layers: Sequence[Layer], receive: Receive) -> None:
        """Compute one batch and hand over the value of each of ``layers`` when it is there."""
        for chosen in layers:
            if chosen.name in self.unmeasurable:
                raise _not_per_sample(chosen, self.unmeasurable[chosen.name])
        names = [layer.name for layer in layers]
        if not self._is_alone(call):
            self._visit(call, names, receive)
            return
        left = dict.fromkeys(names)

        def receive_alone(layer: Layer, value: Tensor) -> None:
            receive(layer, value)
            del left[layer.name]

        try:
            self._visit(call, names, receive_alone, is_alone=True)
        except (_SqueezedError, InfoflowError) as error:
            try:
                self._visit(call.twice(), list(left), lambda layer, two: receive(layer, two[:1]))
            except InfoflowError:
                raise (error if isinstance(error, InfoflowError) else error.reason) from error

    def rows(self, name: str, value: Any, samples: int) -> Tensor:
        """Return a layer's raw value with a row for each sample; an ActivationError without."""
        tensor = first_tensor(value)
        try:
            if tensor is None:
                raise ValueError("its value holds no tensor")
            if not torch.is_grad_enabled():
                tensor = tensor.detach()  # of a model that differentiates
            rows = per_sample(tensor, samples, self.axes.get(name, 0))
        except ValueError as error:
            raise _not_per_sample(self.layers[name], str(error)) from error
        reduced = reduce_positions(rows, self.reduce, self.positions.get(name, ()))
        return torch.view_as_real(reduced.resolve_conj()) if reduced.is_complex() else reduced

    def output(self, call: Arguments) -> Tensor:
        """Compute the model's own output for one batch; of several tensors, the first."""
        source = self.source
        with torch.set_grad_enabled(source.gradients or torch.is_grad_enabled()):
            tensor = first_tensor(call.of(source.model))
            is_squeezed = tensor is not None and tensor.dim() != source.ranks.get("", -1)
            if is_squeezed and self._is_alone(call):
                tensor = first_tensor(call.twice().of(source.model))
                tensor = None if tensor is None else tensor[:1]
        assert tensor is not None, "a traced model returns a tensor"
        return tensor if torch.is_grad_enabled() else tensor.detach()

    def _is_alone(self, call: Arguments) -> bool:
        """Tell whether a call has one sample, where the example had more.

        A model may squeeze the dimension of a single sample away. What it computes for the sample
        beside others is then taken from a batch that holds it twice.
        """
        example = self.source.example
        return call.samples == 1 and example is not None and example.samples > 1

    def _visit(
        self, call: Arguments, names: list[str], receive: Receive, *, is_alone: bool = False
    ) -> None:
        samples, ranks = call.samples, self.source.ranks

        def hand_over(name: str, value: Any) -> None:
            tensor = first_tensor(value)
            if is_alone and tensor is not None and tensor.dim() != ranks.get(name, tensor.dim()):
                raise _SqueezedError(self.layers[name], tuple(tensor.shape))
            receive(self.layers[name], self.rows(name, value, samples))

        self.source.visit(call, names, hand_over)


class _SqueezedError(Exception):
    """A layer's value for a single sample has lost the dimension that counts samples."""

    def __init__(self, layer: Layer, shape: tuple[int, ...]) -> None:
        super().__init__(layer.name)
        self.reason = _not_per_sample(layer, f"its value for a batch of one has shape {shape}")


def _not_per_sample(layer: Layer, reason: str) -> ActivationError:
    return ActivationError(
        f"Layer {layer.name} ({layer.index}) cannot be measured: {reason}. Expected one row per "
        "sample along the first dimension: use batch_first=True, or choose other layers=."
    )
