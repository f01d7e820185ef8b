"""A copy of a traced program on which streams are being cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch
from torch import Tensor, fx, nn

from infoflow.graph import LayerGraph
from infoflow.graph.builders import Flow
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.members import named_tensors
from infoflow.graph.running.model_state import countable_attention, evaluation_mode
from infoflow.graph.running.pytree import first_tensor
from infoflow.graph.running.random_state import seeded
from infoflow.graph.tracing.program import Program
from infoflow.pruning.rewriting.kept_channels import KeptChannels

#: Shape of each node's (first) tensor, None where it has none.
Shapes = Mapping[fx.Node, tuple[int, ...] | None]


class CannotCutError(Exception):
    """A stream cannot be cut out of the structure; the message says why."""


@dataclass
class Changes:
    """What becomes of the parameters and settings of a net's modules.

    Parameters
    ----------
    slices
        By qualified name of a parameter or buffer, what is kept of it.
    settings
        By qualified name of a module and of its attribute, the new value.
    """

    slices: dict[str, KeptChannels] = field(default_factory=dict)
    settings: dict[tuple[str, str], Any] = field(default_factory=dict)

    def add(self, other: Changes) -> None:
        """Take over changes, in a CannotCutError where they differ from those that are there."""
        for name, piece in other.slices.items():
            if self.slices.get(name, piece) != piece:
                raise CannotCutError(f"{name} would lose different channels to different readers")
        self.slices.update(other.slices)
        self.settings.update(other.settings)


@dataclass(frozen=True, eq=False)
class Lineage:
    """A rewritten program, and where its nodes come from.

    Parameters
    ----------
    nodes
        The program.
    origins
        For each node that keeps its place, the node of the whole net's program.
    likes
        The same, and for further copies, the node that they are copies of.
    """

    nodes: fx.Graph
    origins: Mapping[fx.Node, fx.Node]
    likes: Mapping[fx.Node, fx.Node]

    def program(self, net: nn.Module) -> Program:
        """Return the program with a net that holds its modules, to be run node by node."""
        inputs = [node for node in self.nodes.nodes if node.op == "placeholder"]
        # the program itself holds its model weakly, but this net may have no other owner
        return Program(net, self.nodes, {node: str(node.target) for node in inputs}, root=net)


class Surgery:
    """A copy of a graph's program, with what is known of its nodes.

    Parameters
    ----------
    graph
        A traced layer graph.
    call
        An example of the model's arguments.
    shapes
        Shape of each node's (first) tensor for the example, where it is known already.

    Attributes
    ----------
    name
        Class name of the model.
    call
        The example.
    program
        The program as it was traced; untouched.
    nodes
        The program as it is becoming, a torch.fx graph.
    shapes
        Shape of each node's (first) tensor, None where it has none.
    flows
        Where each node's value comes from.
    changes
        What becomes of parameters and settings.
    tensors
        New constants, by the name of the attribute that shall hold them.
    promoted
        Values that have taken the place of a merge's.
    """

    def __init__(self, graph: LayerGraph, call: Arguments, shapes: Shapes | None = None) -> None:
        self.name = graph.model
        self.call = call
        self.program = graph.program
        self.nodes = fx.Graph()
        self._new: dict[fx.Node, fx.Node] = {}
        for node in self.program.nodes:
            self._new[node] = self.nodes.node_copy(node, self._new.__getitem__)
        known = value_shapes(graph, call) if shapes is None else shapes
        self.shapes = {self._new[n]: shape for n, shape in known.items()}
        self.flows: dict[fx.Node, Flow] = {
            self._new[node]: flow for node, flow in graph.anatomy.streams.flows.items()
        }
        self.changes = Changes()
        self.tensors: dict[str, Tensor] = {}
        self.promoted: list[fx.Node] = []
        self._old = {new: old for old, new in self._new.items()}
        self._calls = Counter(
            id(module) for node in self.program.nodes if (module := self.program.module(node))
        )
        self._names = Counter(id(p) for p in _all_tensors(self.program.model))
        self._reads = Counter(str(n.target) for n in self.program.nodes if n.op == "get_attr")
        self._layers = {draft.node for draft in graph.anatomy.streams.layers}
        self._position = {node: i for i, node in enumerate(self.nodes.nodes)}

    def is_layer(self, node: fx.Node) -> bool:
        """Tell whether a node is the operation of a layer."""
        return self._old.get(node) in self._layers

    def new(self, node: fx.Node) -> fx.Node:
        """Return the copy of a node of the traced program."""
        return self._new[node]

    def old(self, node: fx.Node) -> fx.Node:
        """Return the node of the traced program that a node is a copy of."""
        return self._old[node]

    def lineage(self) -> Lineage:
        """Return the program as it is now, with the traced nodes that its nodes come from."""
        likes = {node: self._old[node] for node in self.nodes.nodes if node in self._old}
        origins = {node: old for node, old in likes.items() if self._new[old] is node}
        return Lineage(self.nodes, origins, likes)

    def copy(self, node: fx.Node, inputs: Callable[[fx.Node], fx.Node]) -> fx.Node:
        """Insert another copy of a node, with other arguments, of which the same is known."""
        new = self.nodes.node_copy(node, inputs)
        self.describe(new, node)
        return new

    def describe(self, new: fx.Node, like: fx.Node) -> None:
        """Let a new node be known as another one is: where its value comes from, and its place."""
        self.shapes[new] = self.shapes[like]
        self._position[new] = self._position[like]
        self._old[new] = self._old[like]
        if like in self.flows:
            self.flows[new] = self.flows[like]

    def add_tensor(self, name: str, tensor: Tensor) -> fx.Node:
        """Insert a node that reads a new constant."""
        numbers = (f"{name}_{number}" for number in count())
        target = next(n for n in numbers if n not in self.tensors and not self._has(n))
        self.tensors[target] = tensor
        return self.nodes.create_node("get_attr", target)

    def _has(self, name: str) -> bool:
        return hasattr(self.program.model, name)

    def position(self, node: fx.Node) -> int:
        """Return the place of a copied node in the order of computation."""
        return self._position[node]

    def module(self, node: fx.Node) -> nn.Module | None:
        """Return the module that a node calls, as it was; None for other nodes."""
        return self.program.module(node)

    def attribute(self, node: fx.Node) -> Any:
        """Return what a ``get_attr`` node reads, as it was."""
        return self.program.attribute(node)

    def rank(self, node: fx.Node) -> int:
        """Return the number of dimensions of a node's value."""
        return len(self.shapes[node] or ())

    def tensors_into(self, node: fx.Node) -> list[fx.Node]:
        """Return the arguments of a node that hold tensors."""
        return [n for n in node.all_input_nodes if self.shapes.get(n) is not None]

    def check_alone(self, node: fx.Node) -> None:
        """Raise CannotCutError where a module's weights have other uses, or are computed."""
        module = self.module(node)
        if module is None:
            return
        if self._calls[id(module)] > 1:
            raise CannotCutError(f"{node.target} is called more than once")
        if any(self._names[id(tensor)] > 1 for tensor in _all_tensors(module)):
            raise CannotCutError(f"{node.target} shares its weights with another module")
        if torch.nn.utils.parametrize.is_parametrized(module) or module._forward_pre_hooks:
            raise CannotCutError(f"the weights of {node.target} are computed from others")

    def owned_attribute(self, node: object, what: str) -> str:
        """Return the qualified name of a parameter or buffer that a single node reads."""
        if not isinstance(node, fx.Node) or node.op != "get_attr":
            raise CannotCutError(f"the {what} is computed from other tensors")
        name = str(node.target)
        if name in self.program.constants or self._reads[name] > 1 or len(node.users) > 1:
            raise CannotCutError(f"the {what} {name} has other readers, too")
        if self._names[id(self.attribute(node))] > 1:
            raise CannotCutError(f"the {what} {name} is shared")
        return name


def _all_tensors(module: nn.Module) -> list[Tensor]:
    """Return all parameters and buffers, those under two names twice."""
    found = named_tensors(module, "_parameters", "_buffers", remove_duplicate=False)
    return [tensor for _, tensor in found]


def value_shapes(graph: LayerGraph, call: Arguments) -> Shapes:
    """Return the shape of each node's (first) tensor; None where it has none."""
    shapes: dict[fx.Node, tuple[int, ...] | None] = {}
    model = graph.program.model
    with evaluation_mode(model), torch.no_grad(), countable_attention(), seeded():
        for node, value in graph.program.run(call):
            tensor = first_tensor(value)
            shapes[node] = None if tensor is None else tuple(tensor.shape)
    return shapes
