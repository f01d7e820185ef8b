"""A recorded net that runs node by node."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, fx, nn

from infoflow.graph.running.arguments import Arguments, named_leaves
from infoflow.graph.running.members import attribute
from infoflow.graph.tracing.node_values import last_reads, with_values
from infoflow.interface import ArgumentError, InfoflowError


class Program:
    """A torch.fx graph over a model's own modules; shows each value and keeps none.

    Parameters
    ----------
    model
        The model that was recorded; the program does not keep it alive.
    graph
        Its calls, in order; the targets are names of the modules and tensors of ``root``.
    sources
        For each placeholder the model's argument that it belongs to.
    fixed
        The plain values among the arguments, which are part of what was recorded; None where any
        will do.
    root
        What the targets are names in; the model where None.
    constants
        Tensors that are no attribute of the root, by target.
    hidden
        By target, modules that are not parts of the root.
    outcomes
        For each node that compares sizes what came out when it was recorded.
    """

    def __init__(
        self,
        model: nn.Module,
        graph: fx.Graph,
        sources: Mapping[fx.Node, str],
        *,
        fixed: Mapping[str, Any] | None = None,
        root: nn.Module | None = None,
        constants: Mapping[str, Tensor] | None = None,
        hidden: Mapping[str, nn.Module] | None = None,
        outcomes: Mapping[fx.Node, bool] | None = None,
    ) -> None:
        self._model = weakref.ref(model)
        self.graph = graph
        self.sources = dict(sources)
        self._root = root
        self.constants = dict(constants or {})
        self.hidden = {} if hidden is None else hidden
        self._outcomes = dict(outcomes or {})
        self._position = {node: i for i, node in enumerate(graph.nodes)}
        self.fixed = fixed
        self._modules: weakref.WeakValueDictionary[str, nn.Module] = weakref.WeakValueDictionary()
        self._done = last_reads(self.nodes)

    @property
    def is_alive(self) -> bool:
        """Whether the model is still there."""
        return self._model() is not None

    @property
    def model(self) -> nn.Module:
        """The model that was recorded; an InfoflowError where it has been deleted."""
        model = self._model()
        if model is None:
            raise InfoflowError(
                "The model of this graph has been deleted, so that nothing can be computed. Trace "
                "a model again with infoflow.trace(model, example)."
            )
        return model

    @property
    def root(self) -> nn.Module:
        """What the targets are names in."""
        return self.model if self._root is None else self._root

    @property
    def nodes(self) -> list[fx.Node]:
        """The program's nodes, in the order of computation."""
        return list(self._position)

    def module(self, node: fx.Node) -> nn.Module | None:
        """Return the module that a ``call_module`` node calls, None for other nodes."""
        if node.op != "call_module":
            return None
        target = str(node.target)
        module = self._modules.get(target)
        if module is None:
            module = self._modules[target] = self.look_up(target)
        return module

    def attribute(self, node: fx.Node) -> Any:
        """Return what a ``get_attr`` node reads."""
        return self.look_up(str(node.target))

    def look_up(self, target: str) -> Any:
        """Return the module, the tensor or the constant that a target names."""
        for others in (self.constants, self.hidden):
            if target in others:
                return others[target]
        return attribute(self.root, target)

    def run(
        self,
        call: Arguments,
        last: fx.Node | None = None,
        *,
        change: Callable[[fx.Node, Any], Any] | None = None,
    ) -> Iterator[tuple[fx.Node, Any]]:
        """Compute node after node and yield each with its value, up to and including ``last``.

        A value is let go as soon as no later node reads it, and an operation that works in place
        may overwrite it: copy what you keep. Later nodes read what ``change`` makes of a value.
        """
        interpreter = Interpreter(self, lets_go=False)
        given = self._inputs(call)
        placeholders = (node for node in self._position if node.op == "placeholder")
        interpreter.args_iter = iter([given.get(str(node.target)) for node in placeholders])
        for node in self._position:
            value = interpreter.run_node(node)
            if change is not None:
                value = change(node, value)
            interpreter.env[node] = value
            yield node, value
            del value
            for done in self._done.get(node, ()):
                del interpreter.env[done]
            if node is last:
                return

    @property
    def compares_sizes(self) -> bool:
        """Whether its path depends on comparisons of sizes."""
        return bool(self._outcomes)

    def goes_the_same_way(self, call: Arguments) -> bool:
        """Tell whether all comparisons of sizes come out as when the program was recorded."""
        if not self._outcomes:
            return True
        return all(
            self._outcomes.get(node, value) == value
            for node, value in self.run(call, self.latest(list(self._outcomes)))
            if node in self._outcomes
        )

    def latest(self, nodes: Sequence[fx.Node]) -> fx.Node:
        """Return the one of ``nodes`` that is computed last."""
        return max(nodes, key=self._position.__getitem__)

    def _inputs(self, call: Arguments) -> dict[str, Tensor]:
        """Return copies of the tensors of a call, since a net may work in place on them."""
        leaves = {name: leaf for _, name, leaf in named_leaves(self.model, call)}
        given = {name: leaf.clone() for name, leaf in leaves.items() if isinstance(leaf, Tensor)}
        recorded = [str(node.target) for node in self.sources]
        fixed = None if self.fixed is None else _plain_values(leaves)
        if fixed != self.fixed or set(given) != set(recorded):
            raise ArgumentError(
                f"{type(self.model).__name__} was traced with the tensors {', '.join(recorded)} "
                f"and {self.fixed or 'no other arguments'}, got {', '.join(given)} and "
                f"{fixed or 'no others'}. Trace it again with such an example."
            )
        return given


def fixed_arguments(model: nn.Module, call: Arguments) -> dict[str, Any]:
    """Return the plain values that a call gives."""
    return _plain_values({name: leaf for _, name, leaf in named_leaves(model, call)})


def _plain_values(leaves: Mapping[str, Any]) -> dict[str, Any]:
    return {n: leaf for n, leaf in leaves.items() if isinstance(leaf, (bool, int, float, str))}


class Interpreter(fx.Interpreter):
    """Computes nodes of a program; finds modules and tensors whatever methods they override.

    Parameters
    ----------
    program
        The program.
    lets_go
        Whether a run forgets values that no later node reads.
    """

    def __init__(self, program: Program, *, lets_go: bool = True) -> None:
        super().__init__(nn.Module(), garbage_collect_values=lets_go, graph=program.graph)
        self._program = program

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node, under the autocast and with the gradients that it was recorded with."""
        gradients, autocast = n.meta.get("gradients"), n.meta.get("autocast")
        if not gradients and not autocast:
            return self._compute(n)
        with ExitStack() as stack:
            if gradients:
                stack.enter_context(torch.enable_grad())
            for device, dtype in autocast or ():
                stack.enter_context(torch.autocast(device, dtype))
            return self._compute(n)

    def _compute(self, node: fx.Node) -> Any:
        args, kwargs = self.fetch_args_kwargs_from_env(node)
        return getattr(self, node.op)(node.target, args, kwargs)

    def fetch_attr(self, target: str) -> Any:
        """Return a module, a tensor or a constant of the program."""
        return self._program.look_up(target)

    def fetch_args_kwargs_from_env(self, n: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a node, with lists and dictionaries that may be changed."""
        given = {name: with_values(value, self.env) for name, value in n.kwargs.items()}
        return tuple(with_values(value, self.env) for value in n.args), given


def per_sample(value: Tensor, samples: int, axis: int = 0) -> Tensor:
    """View a batch's value with one row per sample.

    The dimension ``axis`` counts the samples and becomes the first. A first dimension that is a
    multiple of the batch size (windows, patches of one image next to each other) is split. A
    ValueError where it is not.
    """
    value = value.movedim(axis, 0) if axis else value
    rows = value.shape[0] if value.ndim else 0
    if rows == samples:
        return value
    if rows == 0 or samples == 0 or rows % samples:
        raise ValueError(
            f"its value has shape {tuple(value.shape)}, expected the first dimension to count "
            f"the {samples} samples of the batch"
        )
    return torch.unflatten(value, 0, (samples, rows // samples))
