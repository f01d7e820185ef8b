"""Record one run of a model as a torch.fx graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from infoflow.graph.operations.counter import multiply_adds_of
from infoflow.graph.running.arguments import Arguments, named_leaves
from infoflow.graph.running.memory import same_place, version_of
from infoflow.graph.running.pytree import map_leaves, tensors_in
from infoflow.graph.running.random_state import random_states
from infoflow.graph.tracing.interception import Interceptor, Key, Keys
from infoflow.graph.tracing.leaves import Leaves
from infoflow.graph.tracing.node_info import describe
from infoflow.graph.tracing.nodes import Nodes
from infoflow.graph.tracing.program_functions import Transformed, set_item
from infoflow.graph.tracing.recording import Recording
from infoflow.graph.tracing.sizes import Ledger, Origin, traced
from infoflow.graph.tracing.value_reads import (
    SHAPE,
    SIZES,
    counts_rows,
    is_from_numbers,
    operation_key,
    reads_all_values,
    reads_values,
    varies_in_shape,
)

_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]


def record(model: nn.Module, call: Arguments, leaves: Leaves) -> Recording:
    """Run ``model`` once and record what it does; every value is let go as the model does."""
    python, torchs = _random_states()
    recording = _Recorder(model, leaves, call.samples).run(call.map(torch.clone))
    python_after, torchs_after = _random_states()
    recording.is_random_outside = python != python_after
    # of an accelerator that woke in the meantime, nothing is known from before
    has_drawn = any(torchs_after[name] != state for name, state in torchs.items())
    recording.is_random = recording.is_random_outside or has_drawn
    return recording


def _random_states() -> tuple[tuple[Any, ...], dict[str, list[bytes]]]:
    """Return the states of Python and NumPy, and those of torch, by device."""
    python, numpy, cpu, accelerators = random_states()
    states = {"cpu": [cpu], **accelerators}
    as_bytes = {name: [s.numpy().tobytes() for s in given] for name, given in states.items()}
    return (python, numpy[1].tobytes(), numpy[2:]), as_bytes


class _Recorder(Interceptor):
    """Writes a node for each call, and finds its arguments by identity."""

    def __init__(self, model: nn.Module, leaves: Leaves, samples: int) -> None:
        super().__init__(leaves)
        self.model = model
        self.recording = Recording(fx.Graph())
        self._nodes = Nodes(model, leaves, self.recording, self.path, samples)
        self._ledger = Ledger(self._nodes.create_function)
        self.recording.outcomes = self._ledger.outcomes
        self._keys = Keys(self.recording.trail)

    def run(self, call: Arguments) -> Recording:
        for source, name, leaf in named_leaves(self.model, call):
            if isinstance(leaf, Tensor):
                self._nodes.placeholder(name, source, leaf)
        try:
            with self.watching():
                output = self.model(*call.args, **call.kwargs)
        except BaseException:
            self._ledger.close()
            raise
        self.recording.output = output
        last = self._nodes.graph.output(map_leaves(_without_objects, self._nodes.argument(output)))
        self._nodes.facts[last] = describe(output, self._nodes.samples)
        self._nodes.drop_unused()
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
            return self._nodes.live.add(args[0], self._nodes.node_of(args[1]))
        if function in SIZES:
            return self._size(function, args, kwargs)
        if counts_rows(function):
            self._note_size(args[0])
        if function is Tensor.__len__:
            return function(*args)
        key = self._keys.next(self.path, operation_key(function))
        if is_from_numbers(function) and self._nodes.values and not tensors_in((args, kwargs)):
            return function(*args, **kwargs)  # found by its identity, see Nodes
        varies = varies_in_shape(function, args) and self._uses_values(args)
        if varies:
            self.recording.note_line(self.recording.varying)
        kind, target, args = _target(function, args)
        return self._call(
            *(kind, target, key, lambda: function(*_own(args, function), **kwargs), args, kwargs),
            varies=varies,
        )

    def on_transform(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        key = self._keys.next(self.path, operation_key(function))
        target = Transformed(function, operation_key(function).lstrip("_").partition("_")[0])
        return self._call(
            *("call_function", target, key, lambda: function(*args, **kwargs), args, kwargs),
            is_transform=True,
        )

    def _read_inside(self) -> tuple[fx.Node, ...]:
        """Return what a transformed function has read beside its arguments."""
        touched = list(self.touched.values())
        known = [t for t in touched if self._nodes.live.find(t) or self._nodes.is_named(t)]
        return tuple(self._nodes.node_of(tensor) for tensor in known)

    def _call(
        self,
        kind: str,
        target: Any,
        key: Key,
        call: Callable[[], Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        module: nn.Module | None = None,
        *,
        varies: bool = False,
        is_transform: bool = False,
    ) -> Any:
        tensors = tensors_in((args, kwargs))
        versions = [version_of(tensor) for tensor in tensors]
        node_args, node_kwargs = self._nodes.argument(args), self._nodes.argument(dict(kwargs))
        self._ledger.is_paused = True
        try:
            cost, result = multiply_adds_of(call, target, module, (args, kwargs))
        finally:
            self._ledger.is_paused = False
        written = [t for t, v in zip(tensors, versions, strict=True) if version_of(t) != v]
        results = tensors_in(result)
        if not results and not written:
            return result
        if is_transform:
            node_args = (self._read_inside(), *node_args)
        node = self._nodes.create(kind, target, node_args, node_kwargs)
        node.meta["gradients"] = torch.is_grad_enabled()
        node.meta["autocast"] = _autocast()
        self._nodes.facts[node] = describe(result, self._nodes.samples, cost)
        self._nodes.note_shape(node, varies=varies)
        self.recording.events[node] = key
        self._nodes.writes.forget_reused(results, tensors)
        self._nodes.live.add_all(result, node)
        for tensor in written:
            self._nodes.writes.add(node, tensor)
            if not any(tensor is other for other in results):
                self._nodes.written(tensor, [(node, True)])
        return result

    def _set_item(self, tensor: Tensor, index: Any, value: Any) -> None:
        key = self._keys.next(self.path, "__setitem__")
        region = _region(tensor, index)
        if isinstance(value, Tensor) and region is not None and same_place(region, value):
            tensor[index] = value  # the end of `x[index] += y`, which has written there already
            self._nodes.node_of(tensor)
            return
        args = self._nodes.argument((tensor, index, value))
        tensor[index] = value
        node = self._nodes.create("call_function", set_item, args, {})
        node.meta["is_whole"] = region is not None and region.shape == tensor.shape
        self._nodes.facts[node] = describe(tensor, self._nodes.samples)
        self.recording.events[node] = key
        self._nodes.writes.add(node, tensor, region)
        self._nodes.live.add(tensor, node)

    # ------------------------------------------------------------------------- sizes and values

    def _shape(self, tensor: Tensor) -> Any:
        shape = SHAPE(tensor)
        known = self._nodes.live.find(tensor)
        if known is None or known.node not in self._nodes.depends:
            return shape
        self._note_size(tensor)
        if known.shape is None:
            known.shape = self._nodes.create(
                "call_function", getattr, (self._nodes.node_of(tensor), "shape"), {}
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
            known = self._nodes.live.find(tensor)
            if known is not None and known.node in self._nodes.depends_on_values:
                if is_all:
                    self._nodes.values[self._nodes.node_of(tensor)] = None
                self.recording.note_line(self.recording.reads)

    def _note_size(self, tensor: Tensor) -> None:
        """Note where the model reads a size that depends on values: its path may depend on it."""
        known = self._nodes.live.find(tensor)
        if known is not None and known.node in self._nodes.varying:
            self.recording.note_line(self.recording.reads)

    def _uses_values(self, args: Any) -> bool:
        known = (self._nodes.live.find(tensor) for tensor in tensors_in(args))
        return any(k is not None and k.node in self._nodes.depends_on_values for k in known)


def _without_objects(leaf: Any) -> Any:
    """Return what a program's output may hold; caches and the like have no place there."""
    return leaf if isinstance(leaf, (fx.Node, str, int, float)) else None


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
