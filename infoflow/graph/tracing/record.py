"""Record one run of a model as a torch.fx graph."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.utils.rnn import PackedSequence

from infoflow.graph.tracing.call import Call, named_leaves
from infoflow.graph.tracing.facts import Fact, describe, multiply_adds_of
from infoflow.graph.tracing.functions import (
    PURE,
    as_written,
    from_values,
    overwritten,
    packed,
    set_item,
)
from infoflow.graph.tracing.leaves import Leaves
from infoflow.graph.tracing.live import LiveTensors
from infoflow.graph.tracing.nesting import items_of, map_leaves, tensors_in
from infoflow.graph.tracing.observe import Key, Keys, Observer, line_of_the_model
from infoflow.graph.tracing.operations import arguments_of, is_about_shape
from infoflow.graph.tracing.reading import (
    SHAPE,
    SIZES,
    is_from_numbers,
    operation_key,
    reads_all_values,
    reads_values,
    varies_in_shape,
)
from infoflow.graph.tracing.sizes import Ledger, Origin, TracedFloat, TracedInt, as_argument, traced
from infoflow.graph.tracing.writes import Writes, memory_of, same_place, version_of

_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]


@dataclass(eq=False)
class Recording:
    """What one run of a model did.

    Parameters
    ----------
    graph
        One node per call, in the order in which they were made.
    facts
        What is known of each node's value.
    constants
        Tensors that the run met and that are no parameter, buffer or input, by ``get_attr`` target.
    sources
        For each placeholder the argument that it belongs to.
    output
        What the model returned.
    reads
        Lines of the model where values that depend on the input became numbers of Python.
    varying
        Lines of the model where the shape of a result depends on values of the input.
    unknown
        Lines of the model where a tensor is read that no observed call has made.
    events
        For each node that is a call its key: the same call of another run has the same.
    trail
        The keys of all calls, in order.
    outcomes
        For each node that compares sizes what came out.
    is_random
        Whether the run has drawn random numbers.
    is_random_outside
        Whether it has drawn some from Python or NumPy, which become constants of the program.
    """

    graph: fx.Graph
    facts: dict[fx.Node, Fact] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)
    sources: dict[fx.Node, str] = field(default_factory=dict)
    output: Any = None
    reads: list[str] = field(default_factory=list)
    varying: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    events: dict[fx.Node, Key] = field(default_factory=dict)
    trail: list[Key] = field(default_factory=list)
    outcomes: dict[fx.Node, bool] = field(default_factory=dict)
    is_random: bool = False
    is_random_outside: bool = False


def record(model: nn.Module, call: Call, leaves: Leaves) -> Recording:
    """Run ``model`` once and record what it does; every value is let go as the model does."""
    before = _random_states()
    recording = _Recorder(model, leaves).run(call.map(torch.clone))
    after = _random_states()
    recording.is_random = before != after
    recording.is_random_outside = before[:-1] != after[:-1]
    return recording


def _random_states() -> tuple[Any, ...]:
    numpy: Any = np.random.get_state()  # noqa: NPY002  a model's own code may draw from it
    return random.getstate(), numpy[1].tobytes(), numpy[2:], torch.get_rng_state().tolist()


class _Recorder(Observer):
    """Writes a node for each call, and finds its arguments by identity."""

    def __init__(self, model: nn.Module, leaves: Leaves) -> None:
        super().__init__(leaves)
        self.model = model
        self.graph = fx.Graph()
        self.recording = Recording(self.graph)
        self._facts = self.recording.facts
        self._live = LiveTensors()
        self._ledger = Ledger(self._create_function)
        self.recording.outcomes = self._ledger.outcomes
        self._writes = Writes()
        self._keys = Keys(self.recording.trail)
        self._depends: set[fx.Node] = set()
        self._depends_on_values: set[fx.Node] = set()
        self._attributes = _attributes(model)
        self._hidden = _hidden(model)
        self._read: dict[str, fx.Node] = {}
        self._samples = 0
        self._values: dict[fx.Node, None] = {}

    def run(self, call: Call) -> Recording:
        self._samples = call.samples
        for source, name, leaf in named_leaves(self.model, call):
            if isinstance(leaf, Tensor):
                node = self.graph.placeholder(name)
                self._facts[node] = describe(leaf, self._samples)
                self.recording.sources[node] = source
                self._depends.add(node)
                self._depends_on_values.add(node)
                self._live.add(leaf, node)
        try:
            with self.watching():
                output = self.model(*call.args, **call.kwargs)
        except BaseException:
            self._ledger.close()
            raise
        self.recording.output = output
        last = self.graph.output(map_leaves(_without_objects, self._argument(output)))
        self._facts[last] = describe(output, self._samples)
        self._drop_unused()
        self._ledger.close()
        return self.recording

    # ------------------------------------------------------------------------- calls

    def on_module(
        self, name: str, module: nn.Module, call: Callable[[], Any], args: Any, kwargs: Any
    ) -> Any:
        key = self._keys.next([(name, type(module))], "")
        return self._call("call_module", name, key, call, args, kwargs, module)

    def on_function(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if function == SHAPE:
            return self._shape(args[0])
        if reads_values(function):
            self._note_read((args, kwargs), is_all=reads_all_values(function))
            return function(*args, **kwargs)
        if function is Tensor.__setitem__:
            return self._set_item(*args)
        if function == _SET_DATA:
            function(*args)
            return self._live.add(args[0], self._node_of(args[1]))
        if function in SIZES:
            return self._size(function, args, kwargs)
        key = self._keys.next(self.path, operation_key(function))
        if is_from_numbers(function) and self._values and not tensors_in((args, kwargs)):
            return function(*args, **kwargs)  # found by its identity, see _attribute
        if varies_in_shape(function, args) and self._uses_values(args):
            _append_new(self.recording.varying, line_of_the_model())
        kind, target, args = _target(function, args)
        return self._call(
            kind, target, key, lambda: function(*_own(args, function), **kwargs), args, kwargs
        )

    def _call(
        self,
        kind: str,
        target: Any,
        key: Key,
        call: Callable[[], Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        module: nn.Module | None = None,
    ) -> Any:
        tensors = tensors_in((args, kwargs))
        versions = [version_of(tensor) for tensor in tensors]
        node_args, node_kwargs = self._argument(args), self._argument(dict(kwargs))
        self._ledger.is_paused = True
        try:
            cost, result = multiply_adds_of(call, target, module, (args, kwargs))
        finally:
            self._ledger.is_paused = False
        written = [t for t, v in zip(tensors, versions, strict=True) if version_of(t) != v]
        results = tensors_in(result)
        if not results and not written:
            return result
        node = self._create(kind, target, node_args, node_kwargs)
        node.meta["autocast"] = _autocast()
        self._facts[node] = describe(result, self._samples, cost)
        self.recording.events[node] = key
        memories = {memory_of(tensor) for tensor in tensors}
        for tensor in results:
            if memory_of(tensor) not in memories:
                self._writes.forget(tensor)
        self._live.add_all(result, node)
        for tensor in written:
            self._writes.add(node, tensor)
            if not any(tensor is other for other in results):
                self._written(tensor, [(node, True)])
        return result

    def _set_item(self, tensor: Tensor, index: Any, value: Any) -> None:
        key = self._keys.next(self.path, "__setitem__")
        region = _region(tensor, index)
        if isinstance(value, Tensor) and region is not None and same_place(region, value):
            tensor[index] = value  # the end of `x[index] += y`, which has written there already
            self._node_of(tensor)
            return
        args = self._argument((tensor, index, value))
        tensor[index] = value
        node = self._create("call_function", set_item, args, {})
        node.meta["is_whole"] = region is not None and region.shape == tensor.shape
        self._facts[node] = describe(tensor, self._samples)
        self.recording.events[node] = key
        self._writes.add(node, tensor, region)
        self._live.add(tensor, node)

    # ------------------------------------------------------------------------- sizes and values

    def _shape(self, tensor: Tensor) -> Any:
        shape = SHAPE(tensor)
        known = self._live.find(tensor)
        if known is None or known.node not in self._depends:
            return shape
        if known.shape is None:
            known.shape = self._create(
                "call_function", getattr, (self._node_of(tensor), "shape"), {}
            )
        node = known.shape
        return torch.Size(
            [
                traced(size, Origin(self._ledger, operator.getitem, node, dimension))
                for dimension, size in enumerate(shape)
            ]
        )

    def _size(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        shape = self._shape(args[0])
        if function not in (Tensor.numel, Tensor.nelement):
            where = args[1] if len(args) > 1 else kwargs.get("dim")
            return shape if where is None else shape[where]
        number: Any = 1
        for size in shape:
            number = number * size
        return number

    def _note_read(self, values: Any, *, is_all: bool) -> None:
        for tensor in tensors_in(values):
            known = self._live.find(tensor)
            if known is not None and known.node in self._depends_on_values:
                if is_all:
                    self._values[self._node_of(tensor)] = None
                _append_new(self.recording.reads, line_of_the_model())

    def _uses_values(self, args: Any) -> bool:
        known = (self._live.find(tensor) for tensor in tensors_in(args))
        return any(k is not None and k.node in self._depends_on_values for k in known)

    # ------------------------------------------------------------------------- nodes

    def _create_function(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        return self._create("call_function", function, args, {})

    def _create(self, kind: str, target: Any, args: Any, kwargs: Any) -> fx.Node:
        node = self.graph.create_node(kind, target, args, kwargs)
        node.meta["path"] = self.path[-1][0] if self.path else ""
        self._facts[node] = Fact.of_no_tensor()
        if any(argument in self._depends for argument in node.all_input_nodes):
            self._depends.add(node)
        if not is_about_shape(node):
            uses = any(argument in self._depends_on_values for argument in arguments_of(node))
            self._depends_on_values |= {node} if uses else set()
        return node

    def _argument(self, value: Any) -> Any:
        """Return ``value`` as a node's argument: with nodes for tensors and for traced numbers."""
        if isinstance(value, Tensor):
            return self._node_of(value)
        if isinstance(value, (TracedInt, TracedFloat)):
            return as_argument(value)
        if isinstance(value, np.generic):
            return value.item()  # such as np.sqrt(d)
        if isinstance(value, slice):
            return slice(*map(self._argument, (value.start, value.stop, value.step)))
        parts = items_of(value)
        if parts is None:
            return value
        if isinstance(value, PackedSequence):
            node = self._create_function(packed, *(self._argument(part) for part in value))
            self._facts[node] = describe(value, self._samples)
            return node
        if isinstance(value, list):
            return [self._argument(part) for part in value]
        if isinstance(value, tuple):
            changed = (self._argument(part) for part in value)
            return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
        if isinstance(value, Mapping):
            return {key: self._argument(part) for key, part in value.items()}
        return {name: self._argument(part) for name, part in parts}

    def _node_of(self, tensor: Tensor) -> fx.Node:
        known = self._live.find(tensor)
        if known is None:
            known = self._live.add(tensor, self._attribute(tensor))
        while known.path:
            (function, item), *rest = known.path
            node = self._create("call_function", function, (known.node, item), {})
            self._facts[node] = describe(tensor, self._samples)
            known.node, known.path = node, tuple(rest)
        if version_of(tensor) != known.version:
            self._written(tensor, self._writes.since(known.version, tensor))
        return self._live[tensor].node

    def _attribute(self, tensor: Tensor) -> fx.Node:
        """Return the node of a parameter, a buffer, or a tensor that no observed call has made."""
        name = self._attributes.get(id(tensor)) or self._hidden.get(id(tensor))
        same = self._live.same_numbers(tensor) if name is None else None
        if same is not None:
            return self._node_of(same)
        if name is None and self._values:
            node = self._create("call_function", from_values, (tensor.clone(), *self._values), {})
            self._facts[node] = describe(tensor, self._samples)
            return node
        if name is None:
            name = f"constant.{len(self.recording.constants)}"  # a clone: it may change later
            self.recording.constants[name] = tensor.clone()
            _append_new(self.recording.unknown, line_of_the_model())
        elif id(tensor) in self._hidden:
            self.recording.constants[name] = tensor
        if name not in self._read:
            self._read[name] = self._create("get_attr", name, (), {})
            self._facts[self._read[name]] = describe(tensor, 0)
        return self._read[name]

    def _written(self, tensor: Tensor, writes: list[tuple[fx.Node, bool]]) -> None:
        """Give ``tensor`` a new node, since others have written to its memory.

        What was before a write to all of the tensor is gone.
        """
        known = self._live[tensor]
        known.version = version_of(tensor)
        last = max((i for i, (_, is_all) in enumerate(writes) if is_all), default=-1)
        if last >= 0:
            self._replace(tensor, overwritten, (known.node, writes[last][0]))
        if writes[last + 1 :]:
            nodes = (node for node, _ in writes[last + 1 :])
            self._replace(tensor, as_written, (self._live[tensor].node, *nodes))

    def _replace(self, tensor: Tensor, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        node = self._create("call_function", function, args, {})
        self._facts[node] = describe(tensor, self._samples)
        self._live.add(tensor, node)

    def _drop_unused(self) -> None:
        """Erase nodes that compute sizes, items or attributes that nobody has used."""
        for node in reversed(list(self.graph.nodes)):
            is_pure = node.op == "get_attr" or node.target in PURE
            if is_pure and not node.users and node not in self.recording.events:
                self.graph.erase_node(node)
                del self._facts[node]


def _without_objects(leaf: Any) -> Any:
    """Return what a program's output may hold; caches and the like have no place there."""
    return leaf if isinstance(leaf, (fx.Node, str, int, float)) else None


def _append_new(lines: list[str], line: str) -> None:
    if line not in lines:
        lines.append(line)


def _target(
    function: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[str, Any, tuple[Any, ...]]:
    """Return a function as a torch.fx operation, its target and its arguments."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        return "call_function", getattr, (args[0], operation_key(function))
    if getattr(Tensor, name, None) is function:
        return "call_method", name, args
    return "call_function", function, args


def _own(args: tuple[Any, ...], function: Callable[..., Any]) -> tuple[Any, ...]:
    return args[:1] if getattr(function, "__name__", "") == "__get__" else args


def _autocast() -> tuple[tuple[str, torch.dtype], ...]:
    """Return where torch.autocast is on, and to what it converts."""
    return tuple(
        (device, torch.get_autocast_dtype(device))
        for device in ("cpu", "cuda")
        if torch.is_autocast_enabled(device)
    )


def _region(tensor: Tensor, index: Any) -> Tensor | None:
    """Return the part of ``tensor`` that a plain index names, None where it is no view."""
    parts = index if isinstance(index, tuple) else (index,)
    is_plain = all(
        part is None or part is Ellipsis or isinstance(part, slice)
        or (isinstance(part, int) and not isinstance(part, bool))
        for part in parts
    )  # fmt: skip
    return tensor[index] if is_plain else None


def _hidden(model: nn.Module) -> dict[int, str]:
    """Return a name for each parameter that plain lists and dictionaries hide from torch."""
    names: dict[int, str] = {}
    seen = set(map(id, model.modules()))

    def look(path: str, value: Any) -> None:
        if isinstance(value, nn.Module) and id(value) not in seen:
            seen.update(map(id, value.modules()))
            for name, parameter in value.named_parameters(path):
                names.setdefault(id(parameter), name)
        elif isinstance(value, nn.Parameter):
            names.setdefault(id(value), path)
        elif isinstance(value, (list, tuple, dict)):
            for name, part in items_of(value) or ():
                look(f"{path}.{name}", part)

    for path, module in model.named_modules():
        for name, value in module.__dict__.items():
            if isinstance(value, (list, tuple, dict)) and not name.startswith("_"):
                look(f"{path}.{name}".lstrip("."), value)
    return names


def _attributes(model: nn.Module) -> dict[int, str]:
    """Return the qualified name of every parameter, buffer and other tensor of the modules."""
    names: dict[int, str] = {}
    for path, module in model.named_modules():
        own = {**module.__dict__, **module._buffers, **module._parameters}
        for name, value in own.items():
            if isinstance(value, Tensor):
                names.setdefault(id(value), f"{path}.{name}".lstrip("."))
    return names
