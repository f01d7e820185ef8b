"""The nodes of a recording, and the tensors of the run that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, fx, nn
from torch.nn.utils.rnn import PackedSequence

from infoflow.graph.operations.lookup import arguments_of, is_about_shape
from infoflow.graph.running.members import is_learned
from infoflow.graph.running.memory import version_of
from infoflow.graph.running.pytree import items_of
from infoflow.graph.tracing.attributes import hidden_tensors, named_attributes
from infoflow.graph.tracing.leaves import Leaves
from infoflow.graph.tracing.live import LiveTensors
from infoflow.graph.tracing.node_info import NodeInfo, describe
from infoflow.graph.tracing.program_functions import (
    PURE,
    as_written,
    from_values,
    overwritten,
    packed,
)
from infoflow.graph.tracing.recording import Recording
from infoflow.graph.tracing.sizes import TracedNumber, as_argument
from infoflow.graph.tracing.writes import Writes


class Nodes:
    """Makes the nodes of a recording, and finds those of tensors by identity.

    Parameters
    ----------
    model
        Whose parameters and buffers become ``get_attr`` nodes.
    leaves
        What names the modules and parameters that torch does not know to be the model's.
    recording
        What is written to.
    path
        The modules that are running, kept up to date by the observer.
    samples
        Number of samples of the example.

    Attributes
    ----------
    live, writes
        The tensors that are alive, and what was written in place.
    depends, depends_on_values
        The nodes that depend on an input, and those that do so by more than its shape.
    varying
        The nodes whose shape depends on values of an input.
    values
        The nodes whose values became numbers of Python.
    """

    def __init__(
        self,
        model: nn.Module,
        leaves: Leaves,
        recording: Recording,
        path: list[tuple[str, type]],
        samples: int,
    ) -> None:
        self.live = LiveTensors()
        self.writes = Writes()
        self.depends: set[fx.Node] = set()
        self.depends_on_values: set[fx.Node] = set()
        self.varying: set[fx.Node] = set()
        self.values: dict[fx.Node, None] = {}
        self.graph = recording.graph
        self.facts = recording.facts
        self.recording = recording
        self.samples = samples
        self._path = path
        self._leaves = leaves
        self._attributes = named_attributes(model)
        self._hidden = hidden_tensors(self._attributes, leaves.tensors)
        self._read: dict[str, fx.Node] = {}

    def placeholder(self, name: str, source: str, leaf: Tensor) -> None:
        """Make the node of an input; ``source`` is the argument that it belongs to."""
        node = self.graph.placeholder(name)
        self.facts[node] = describe(leaf, self.samples)
        self.recording.sources[node] = source
        self.depends.add(node)
        self.depends_on_values.add(node)
        self.live.add(leaf, node)

    def note_shape(self, node: fx.Node, *, varies: bool) -> None:
        """Note whether the shape of a node depends on values, by itself or by what it reads.

        What is as large as something whose shape does not, is put together again.
        """
        if not varies and not self.varying:
            return
        read = [n for n in node.all_input_nodes if self.facts[n].carries_tensor]
        fixed = {self.facts[n].shape for n in read if n not in self.varying}
        if varies or (self.varying & set(read) and self.facts[node].shape not in fixed):
            self.varying.add(node)

    def create_function(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        """Make a node that calls a function."""
        return self.create("call_function", function, args, {})

    def create(self, kind: str, target: Any, args: Any, kwargs: Any) -> fx.Node:
        """Make a node, of a value that holds no tensor until more is known of it."""
        node = self.graph.create_node(kind, target)
        node.args = args  # quicker than to let torch look for symbols in them
        if kwargs:
            node.kwargs = kwargs
        node.meta["path"] = self._path[-1][0] if self._path else ""
        self.facts[node] = NodeInfo.of_no_tensor()
        if self.depends.isdisjoint(node.all_input_nodes):
            return node
        self.depends.add(node)
        if not is_about_shape(node) and not self.depends_on_values.isdisjoint(arguments_of(node)):
            self.depends_on_values.add(node)
        return node

    def argument(self, value: Any) -> Any:
        """Return ``value`` as a node's argument: with nodes for tensors and for traced numbers."""
        if isinstance(value, Tensor):
            return self.node_of(value)
        if isinstance(value, TracedNumber):
            return as_argument(value)
        if isinstance(value, np.generic):
            return value.item()  # such as np.sqrt(d)
        if isinstance(value, slice):
            return slice(*map(self.argument, (value.start, value.stop, value.step)))
        parts = items_of(value)
        if parts is None:
            return value
        if isinstance(value, PackedSequence):
            node = self.create_function(packed, *(self.argument(part) for part in value))
            self.facts[node] = describe(value, self.samples)
            return node
        if isinstance(value, list):
            return [self.argument(part) for part in value]
        if isinstance(value, tuple):
            changed = (self.argument(part) for part in value)
            return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
        if isinstance(value, Mapping):
            return {key: self.argument(part) for key, part in value.items()}
        return {name: self.argument(part) for name, part in parts}

    def node_of(self, tensor: Tensor) -> fx.Node:
        """Return the node that gives a tensor as it is now, after all writes to its memory."""
        known = self.live.find(tensor)
        if known is None:
            known = self.live.add(tensor, self._attribute(tensor))
        while known.path:
            (function, item), *rest = known.path
            node = self.create("call_function", function, (known.node, item), {})
            self.facts[node] = describe(tensor, self.samples)
            self.varying |= {node} if known.node in self.varying else set()
            known.node, known.path = node, tuple(rest)
        if version_of(tensor) != known.version:
            self.written(tensor, self.writes.since(known.version, tensor))
        return self.live[tensor].node

    def _attribute(self, tensor: Tensor) -> fx.Node:
        """Return the node of a parameter, a buffer, or a tensor that no observed call has made."""
        name = self._attributes.get(id(tensor)) or self._hidden.get(id(tensor))
        same = self.live.same_numbers(tensor) if name is None else None
        if same is not None:
            return self.node_of(same)
        if name is None and is_learned(tensor):
            name = self._adopted(tensor)
        if name is None and self.values:
            node = self.create("call_function", from_values, (tensor.clone(), *self.values), {})
            self.facts[node] = describe(tensor, self.samples)
            return node
        if name is None:
            name = f"constant.{len(self.recording.constants)}"  # a clone: it may change later
            self.recording.constants[name] = tensor.clone()
            self.recording.note_line(self.recording.unknown)
        elif id(tensor) in self._hidden:
            self.recording.constants[name] = tensor
        if name not in self._read:
            self._read[name] = self.create("get_attr", name, (), {})
            self.facts[self._read[name]] = describe(tensor, 0)
        return self._read[name]

    def is_named(self, tensor: Tensor) -> bool:
        """Tell whether a tensor is the model's own, or a parameter of whomever."""
        is_known = id(tensor) in self._attributes or id(tensor) in self._hidden
        return is_known or isinstance(tensor, nn.Parameter)

    def _adopted(self, parameter: Tensor) -> str:
        """Return a name for a parameter that no way from the model has led to."""
        known = (name for name, tensor in self._leaves.tensors.items() if tensor is parameter)
        name = next(known, f"parameter.{len(self.recording.constants)}")
        self._hidden[id(parameter)] = name
        return name

    def written(self, tensor: Tensor, writes: list[tuple[fx.Node, bool]]) -> None:
        """Give ``tensor`` a new node, since others have written to its memory.

        What was before a write to all of the tensor is gone.
        """
        known = self.live[tensor]
        known.version = version_of(tensor)
        last = max((i for i, (_, is_all) in enumerate(writes) if is_all), default=-1)
        if last >= 0:
            self._replace(tensor, overwritten, (known.node, writes[last][0]))
        if writes[last + 1 :]:
            nodes = (node for node, _ in writes[last + 1 :])
            self._replace(tensor, as_written, (self.live[tensor].node, *nodes))

    def _replace(self, tensor: Tensor, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        node = self.create("call_function", function, args, {})
        self.facts[node] = describe(tensor, self.samples)
        self.live.add(tensor, node)

    def drop_unused(self) -> None:
        """Erase nodes that compute sizes, items or attributes that nobody has used."""
        for node in reversed(list(self.graph.nodes)):
            is_pure = node.op == "get_attr" or node.target in PURE
            if is_pure and not node.users and node not in self.recording.events:
                self.graph.erase_node(node)
                del self.facts[node]
