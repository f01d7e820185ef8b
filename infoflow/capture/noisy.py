"""A net with Gaussian noise at chosen layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.arguments import Arguments, as_arguments
from infoflow.graph.running.checks import unwrapped
from infoflow.graph.running.model_state import check_model
from infoflow.graph.selection import keys_of
from infoflow.graph.tracing.leaves import Choice, choices_of
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    InfoflowError,
    Layer,
    LayerNotFoundError,
    UntraceableModelError,
)
from infoflow.interface.argument_checks import seed_number

#: Called with a layer's name and its value before the noise.
Watcher = Callable[[str, Tensor], object]


class NoisyNet(nn.Module):
    """A model with Gaussian noise at chosen layers, in training and in evaluation.

    T_l = f_l(T_{l−1}) + Z_l with Z_l ~ N(0, β²) in every unit (Goldfeld et al., ICML 2019, section
    2). The noise is added where a layer's value is complete, after the activation that belongs to
    it, and goes on through the net. So I(X;T_l) is finite, means something, and cannot rise along a
    chain; :class:`infoflow.SamplePropagation` measures it.

    The model is traced with the first batch, and its program is run with the noise put in. Modules
    and parameters are the model's own, and so is the state dict.

    Parameters
    ----------
    model
        The model; inputs and outputs stay as they are. It must replay exactly
        (``infoflow.trace(model, example).verification.is_exact``).
    beta
        Standard deviation of the noise, in the units of the activations; greater than 0.
    layers
        Where noise is added: ``"hidden"`` for every layer but the output's own, or what
        :meth:`infoflow.LayerGraph.select` takes.
    seed
        Seed of the noise. Two nets with one seed, given the same batches, draw the same noise.
    leaves, opened
        Modules to keep whole as one layer, or to open, as for :func:`infoflow.trace`.

    Raises
    ------
    ArgumentError
        If ``model`` is no module, or ``beta`` is no finite number greater than 0.
    LayerNotFoundError
        At the first batch, if ``layers`` match nothing.
    UntraceableModelError
        At the first batch, if the model cannot be replayed exactly.

    Notes
    -----
    The program is recorded in evaluation mode. Modules such as ``nn.Dropout`` and
    ``nn.BatchNorm2d`` follow ``train()`` and ``eval()``; what ``forward`` itself does differently
    in training, such as ``F.dropout(x, training=self.training)``, stays as in evaluation.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    >>> noisy = NoisyNet(net, beta=0.1, seed=1)
    >>> x = torch.zeros(5, 3)
    >>> noisy(x).shape, bool((noisy(x) == noisy(x)).any())
    (torch.Size([5, 2]), False)
    >>> [layer.name for layer in noisy.noisy_layers(x)]
    ['0']
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        beta: float,
        layers: str | int | Sequence[str | int] = "hidden",
        seed: int = 0,
        leaves: Sequence[Choice] = (),
        opened: Sequence[Choice] = (),
    ) -> None:
        super().__init__()
        check_model(model)
        if not isinstance(beta, (int, float)) or isinstance(beta, bool) or not 0 < beta < math.inf:
            raise ArgumentError(
                f"beta must be a finite number greater than 0, got {beta!r}. It is the standard "
                "deviation of the noise: the paper uses 0.005 to 0.1 for tanh units; without "
                "noise, use the model itself."
            )
        self.model, _ = unwrapped(model)
        self.beta = float(beta)
        keys_of(layers)  # what layers there are is known when the net is traced
        self._layers = layers
        self._leaves = choices_of("leaves", leaves)
        self._opened = choices_of("opened", opened)
        self._graph: LayerGraph | None = None
        self._noisy: tuple[Layer, ...] = ()
        self.reseed(seed)
        self.register_state_dict_post_hook(_without_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_with_prefix)  # type: ignore[no-untyped-call]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model with fresh noise; arguments and result are the model's."""
        seed = int(torch.randint(2**62, (), generator=self._seeds, device="cpu"))
        return self.run(Arguments(args, kwargs), seed)

    def run(
        self,
        call: Arguments,
        seed: int,
        *,
        watch: Watcher | None = None,
        until: Sequence[str] | None = None,
    ) -> Any:
        """Run the model with the noise that ``seed`` stands for.

        Parameters
        ----------
        call
            The model's arguments.
        seed
            Seed of this run's noise; the order of the layers is the order of the draws.
        watch
            Given each noisy layer's name and its value before its own noise.
        until
            Stop after the last of these layers.

        Returns
        -------
        Any
            What the model returns; with ``until``, that layer's value.
        """
        graph = self.graph(call)
        names = {layer.name for layer in self._noisy}
        noise = _Noise(self.beta, seed)

        def change(name: str, value: Any) -> Any:
            if name not in names:
                return value
            if not isinstance(value, Tensor) or not value.is_floating_point():
                raise _no_real_tensor(name, value)
            if watch is not None:
                watch(name, value)
            return noise.added_to(value)

        return graph.source.replay_with(call, change, until=until)

    def reseed(self, seed: int) -> None:
        """Start the noise of :meth:`forward` again from ``seed``."""
        self._seeds = torch.Generator().manual_seed(seed_number(seed))

    def graph(self, *inputs: Any) -> LayerGraph:
        """Return the model's layer graph; traced with ``inputs`` where that is still to do."""
        if self._graph is None:
            if not inputs:
                raise InfoflowError(
                    f"This NoisyNet of {type(self.model).__name__} has not been traced yet, since "
                    "no batch went through it. Call it, or .graph(example), first."
                )
            call = (
                inputs[0] if isinstance(inputs[0], Arguments) else as_arguments(self.model, inputs)
            )
            graph = trace(self.model, call, leaves=self._leaves, opened=self._opened)
            if not graph.verification.is_exact:
                raise UntraceableModelError(
                    f"{type(self.model).__name__} cannot be replayed with noise: its graph is "
                    f"labelled {graph.verification.label!r}, expected 'exact'. "
                    f"{' '.join(graph.verification.notes)} Look at print(infoflow.trace(model, "
                    "example)), and choose leaves= that hide what differs."
                )
            self._noisy = self._chosen(graph)
            self._graph = graph
        return self._graph

    def noisy_layers(self, *inputs: Any) -> tuple[Layer, ...]:
        """Return the layers that get noise, in the order of computation."""
        self.graph(*inputs)
        return self._noisy

    def _chosen(self, graph: LayerGraph) -> tuple[Layer, ...]:
        if self._layers != "hidden":
            return graph.select(self._layers)
        hidden = tuple(layer for layer in graph if layer.name not in graph.outputs)
        if not hidden:
            raise LayerNotFoundError(
                f"{graph.model} has no hidden layer: its layers {', '.join(graph.names)} are the "
                "output. Name the layers that shall have noise, or use layers='all'."
            )
        return hidden

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self._graph = None  # its constants stay where they were
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_graph": None}

    def extra_repr(self) -> str:
        """Show the noise in ``print``."""
        return f"beta={self.beta:g}, layers={self._layers!r}"


class _Noise:
    """The noise of one run, in the order of the layers."""

    def __init__(self, beta: float, seed: int) -> None:
        self._beta = beta
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def added_to(self, value: Tensor) -> Tensor:
        device = value.device
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        noise = torch.randn(
            value.shape, dtype=value.dtype, device=device, generator=self._generators[device]
        )
        return value + self._beta * noise


def _no_real_tensor(name: str, value: Any) -> ActivationError:
    return ActivationError(
        f"Layer {name} cannot have noise: its value is a "
        f"{value.dtype if isinstance(value, Tensor) else type(value).__name__}, expected one "
        "tensor of real numbers. Choose other layers=."
    )


def _without_prefix(_: nn.Module, state: dict[str, Any], prefix: str, __: Any) -> None:
    _rename(state, f"{prefix}model.", prefix)


def _with_prefix(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    _rename(state, prefix, f"{prefix}model.")


def _rename(state: dict[str, Any], old: str, new: str) -> None:
    for key in [key for key in state if key.startswith(old)]:
        state[f"{new}{key.removeprefix(old)}"] = state.pop(key)
