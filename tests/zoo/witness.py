"""Count merges on the graph of ``torch.export``: a second opinion that shares no code with ours.

The rules are those of docs/tracing, in as few lines as possible. A value has the
names of the layers that it comes from; a bundle has several. A layer is an operation with a learned
matrix, a whole ``nn.MultiheadAttention``, or an operation where values of different sources meet.
"""

from __future__ import annotations

import operator
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind

from infoflow.graph.running.model_state import countable_attention

#: Operations that read the shape of their argument only.
_SHAPE = {
    *("sym_size", "sym_stride", "sym_numel", "zeros_like", "ones_like", "full_like", "empty_like"),
    *("rand_like", "randn_like", "randint_like", "new_zeros", "new_ones", "new_full", "new_empty"),
    *("_assert_tensor_metadata", "_assert_async", "_assert_scalar", "bernoulli_like"),
}
#: Operations of whose second argument only shape or type are read.
_LIKE = {"type_as", "expand_as", "view_as", "reshape_as", "to"}
_CONCAT = {"cat", "stack", "concat", "hstack", "vstack", "dstack", "column_stack", "concatenate"}
_WRITE = {
    *("slice_scatter", "select_scatter", "diagonal_scatter", "index_put", "index_copy"),
    *(
        "masked_scatter",
        "scatter",
        "scatter_add",
        "index_add",
        "as_strided_scatter",
        "scatter_reduce",
    ),
}
#: Operations that are a learned map where one of their arguments is a learned matrix.
_KERNEL = {
    *("linear", "bilinear", "embedding", "embedding_bag", "_embedding_bag", "conv1d", "conv2d"),
    *("conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("matmul", "mm", "mv", "bmm", "addmm", "baddbmm", "einsum", "tensordot", "deform_conv2d"),
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "_trilinear"),
}
_NAMES = {
    "cat": "concat",
    "scaled_dot_product_attention": "attention",
    **dict.fromkeys(_WRITE, "index write"),
}


class NoWitnessError(Exception):
    """The model does not export."""


@dataclass(frozen=True)
class Flow:
    """The sources of a value; with a bundle's number where there are several."""

    sources: frozenset[str]
    bundle: int | None = None
    is_canvas: bool = False


def count_merges(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Counter[str]:
    """Return how many merges of each kind the exported graph has."""
    program = _export(model, args, kwargs)
    return _Count(program).run()


def _export(model: nn.Module, args: Any, kwargs: Any) -> torch.export.ExportedProgram:
    with warnings.catch_warnings(), torch.no_grad(), countable_attention():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(model, args, kwargs, strict=False)
            return program.run_decompositions({})  # writes in place become functions
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            raise NoWitnessError(f"{type(error).__name__}: {text[0][:160]}") from error


@contextmanager
def without_cache(model: nn.Module) -> Iterator[bool]:
    """Let a language model keep no cache, which cannot be exported; tell whether it kept one."""
    configs = {id(c): c for c in (getattr(m, "config", None) for m in model.modules())}.values()
    kept = [config for config in configs if getattr(config, "use_cache", False) is True]
    for config in kept:
        config.use_cache = False
    try:
        yield bool(kept)
    finally:
        for config in kept:
            config.use_cache = True


class _Count:
    """One walk over an exported graph."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.graph = program.graph
        specs = program.graph_signature.input_specs
        self.inputs = {s.arg.name for s in specs if s.kind is InputKind.USER_INPUT}
        parameters = {s.arg.name for s in specs if s.kind is InputKind.PARAMETER}
        self.learned = {n for n in self.graph.nodes if n.name in parameters}
        self.flows: dict[fx.Node, Flow] = {}
        self.whole: dict[str, fx.Node] = {}
        self.bundles: list[str] = []
        self.read: set[int] = set()
        self.merges: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        for node in self.graph.nodes:
            if node.op == "placeholder":
                if node.name in self.inputs and isinstance(node.meta.get("val"), Tensor):
                    self.flows[node] = Flow(frozenset([node.name]))
            elif node.op == "output":
                self._read([self.flows[n] for n in node.all_input_nodes if n in self.flows])
            else:
                self._visit(node)
        self.merges.update(self.bundles[number] for number in self.read)
        return self.merges

    def _visit(self, node: fx.Node) -> None:
        attention = _attention_of(node)
        if attention is not None:
            self._attend(node, attention)
            return
        arguments = [self.flows[n] for n in node.all_input_nodes if n in self.flows]
        if not arguments:
            if any(n in self.learned for n in node.all_input_nodes):
                self.learned.add(node)
            return
        name = _operation(node)
        if name in _SHAPE or not _holds_tensor(node.meta.get("val")):
            return
        if name in _LIKE:
            arguments = [self.flows[n] for n in node.all_input_nodes[:1] if n in self.flows]
            if not arguments:
                return
        sources = frozenset[str]().union(*(flow.sources for flow in arguments))
        base = self.flows.get(node.all_input_nodes[0])
        if name == "copy" and len(node.args) > 1:
            source = self.flows.get(node.args[1])
            if source is not None:
                self.flows[node] = source
        elif name in _CONCAT:
            self._bundle(node, name, sources, arguments)
        elif name in _WRITE and (base is None or base.is_canvas) and not self._has_index(node):
            self._bundle(node, name, sources, arguments, is_canvas=True)
        elif self._is_kernel(node, name) or len({flow.sources for flow in arguments}) > 1:
            self._layer(node, name, arguments)
        else:
            self.flows[node] = arguments[0]

    def _has_index(self, node: fx.Node) -> bool:
        """Tell whether data say where to write."""
        return any(n in self.flows for a in node.args[1:2] for n in _nodes_in(a)) and _operation(
            node
        ) in ("index_put", "masked_scatter")

    def _bundle(
        self,
        node: fx.Node,
        name: str,
        sources: frozenset[str],
        arguments: list[Flow],
        is_canvas: bool = False,
    ) -> None:
        if len(sources) == 1:
            self.flows[node] = Flow(sources, is_canvas=is_canvas)
            return
        self.bundles.append(_NAMES.get(name, name))
        self.flows[node] = Flow(sources, len(self.bundles) - 1, is_canvas)

    def _layer(self, node: fx.Node, name: str, arguments: list[Flow]) -> None:
        self._read(arguments)
        if len({flow.sources for flow in arguments}) > 1:
            self.merges[_NAMES.get(name, name)] += 1
        self.flows[node] = Flow(frozenset([node.name]))

    def _read(self, arguments: list[Flow]) -> None:
        self.read.update(flow.bundle for flow in arguments if flow.bundle is not None)

    def _is_kernel(self, node: fx.Node, name: str) -> bool:
        return name in _KERNEL and any(
            n in self.learned and _rank(n) >= 2 for n in node.all_input_nodes
        )

    def _attend(self, node: fx.Node, call: str) -> None:
        """Take all operations of one call of ``nn.MultiheadAttention`` as one layer."""
        if call not in self.whole:
            inside = [n for n in self.graph.nodes if _attention_of(n) == call]
            outer = {n: None for i in inside for n in i.all_input_nodes if n not in set(inside)}
            self._layer(node, "attention", [self.flows[n] for n in outer if n in self.flows])
            self.whole[call] = node
        if any(n in self.flows for n in node.all_input_nodes) or self.whole[call] is node:
            self.flows[node] = self.flows[self.whole[call]]


def _attention_of(node: fx.Node) -> str | None:
    """Return the call of the attention module that a node belongs to."""
    for call, (_, kind) in (node.meta.get("nn_module_stack") or {}).items():
        if str(kind).endswith("torch.nn.modules.activation.MultiheadAttention"):
            return str(call)
    return None


def _operation(node: fx.Node) -> str:
    if node.target is operator.getitem:
        return "getitem"
    packet = getattr(node.target, "overloadpacket", node.target)
    name = str(getattr(packet, "__name__", packet)).split(".")[-1]
    return name if name.startswith("_assert") or name in _KERNEL else name.strip("_")


def _rank(node: fx.Node) -> int:
    value = node.meta.get("val")
    return value.ndim if isinstance(value, Tensor) else 0


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensor, value))
    return isinstance(value, Tensor)


def _nodes_in(value: Any) -> list[fx.Node]:
    if isinstance(value, (list, tuple)):
        return [node for part in value for node in _nodes_in(part)]
    return [value] if isinstance(value, fx.Node) else []
