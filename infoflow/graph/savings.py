"""What a net without one of its streams would save."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Set
from dataclasses import dataclass

from torch import fx, nn

from infoflow.graph.builders import OUTPUT, BundleBuilder, Flow, LayerBuilder, MergeBuilder, Streams
from infoflow.graph.operands import operands
from infoflow.graph.paths import Paths, Place, merge_place
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.tracing.program import Program
from infoflow.interface import Layer

#: Kernel layers whose weights fall in proportion to the width of the bundle that they read.
_DENSE = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
_DENSE_FUNCTIONS = (
    *("linear", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)


class Savings:
    """What a net without one stream would save."""

    def __init__(
        self,
        streams: Streams,
        paths: Paths,
        layers: Mapping[str, Layer],
        program: Program,
        shapes: Mapping[fx.Node, tuple[int, ...]],
    ) -> None:
        self._paths = paths
        self._layers = layers
        self._drafts = {draft.name: draft for draft in streams.layers}
        self._streams = streams
        self._program = program
        self._shapes = shapes
        self._users: dict[int, set[Hashable]] = {}
        self._sizes: dict[int, int] = {}
        for place, learned in self._places():
            self._sizes.update(learned)
            for parameter in learned:
                self._users.setdefault(parameter, set()).add(place)

    def _places(self) -> Iterator[tuple[Hashable, Mapping[int, int]]]:
        """Yield each layer's name, and each edge, with the parameters that it reads."""
        for name, draft in self._drafts.items():
            yield name, self._streams.learned_by(draft.node, *draft.parts)
        for edge in self._streams.edges:
            yield edge, self._streams.learned_by(edge.node)

    def of(self, merge: MergeBuilder, source: str, what: str) -> int | None:
        """Count ``what`` ("parameters" or "multiply_adds"), None where it cannot be said."""
        place = merge_place(merge)
        useless = self._paths.useless_without(source, place)
        if what == "parameters":
            saved = self._parameters(source, place, useless)
        else:
            saved = sum(
                layer.multiply_adds for name, layer in self._layers.items() if name in useless
            )
        if isinstance(merge, LayerBuilder):
            return saved if self._can_lose(merge, source) else None
        flows = self._flows(merge)
        if OUTPUT in merge.readers or any(flow.is_mixed for flow in flows):
            return None  # a narrower output is another net, and so is what is mixed on the way
        if merge.widths is None:
            return None
        width, total = merge.widths[merge.streams.index(source)], sum(merge.widths)
        for reader in merge.readers:
            whole = self._shrinks(merge, self._drafts[reader], what)
            if whole is None:
                return None
            saved += whole * width // total
        if what == "parameters":
            norms = frozenset[fx.Node]().union(*(flow.norms for flow in flows))
            learned = [self._streams.learned_by(norm).values() for norm in norms]
            saved += sum(sum(sizes) * width // total for sizes in learned)
        return saved

    def _parameters(self, source: str, merge: Place, useless: Set[Place]) -> int:
        """Count the parameters that only useless layers, and norms before these, read."""
        gone: set[Hashable] = {
            edge
            for edge in self._streams.edges
            if edge.readers <= useless
            or (edge.source == source and edge.readers <= {*useless, merge})
        }
        gone |= useless
        return sum(size for key, size in self._sizes.items() if self._users[key] <= gone)

    def _can_lose(self, merge: LayerBuilder, source: str) -> bool:
        """Tell whether an operation is a sum or product that is still there without a stream."""
        pair = operands(merge.node, self._streams.flows, self._shapes, {source})
        return not isinstance(pair, str)

    def _shrinks(self, bundle: BundleBuilder, reader: LayerBuilder, what: str) -> int | None:
        """Count what of a reader is in proportion to its input's width, None where it is not."""
        weight = _weight(reader, self._program)
        if weight is None or bundle.axis != weight.axis or bundle.widths is None:
            return None
        if weight.inputs % sum(bundle.widths):
            return None  # what it reads has other channels than what was concatenated
        own = self._streams.learned_by(reader.node)
        if any(self._users[parameter] != {reader.name} for parameter in own):
            return None  # weights that other layers read with cannot lose channels
        if what == "multiply_adds":
            return self._layers[reader.name].multiply_adds
        return weight.numbers

    def _flows(self, merge: BundleBuilder) -> list[Flow]:
        """Return how a bundle comes to its readers."""
        readers = [self._drafts[name] for name in merge.readers if name != OUTPUT]
        return [flow for reader in readers for flow in reader.arguments if flow.bundle is merge]


@dataclass(frozen=True)
class _Weight:
    """A dense layer's weight: its numbers, the channels it reads, and their axis in its input."""

    numbers: int
    inputs: int
    axis: int


def _weight(reader: LayerBuilder, program: Program) -> _Weight | None:
    """Return the weight of a layer whose cost is in proportion to its input's width, or None."""
    module, node = program.module(reader.node), reader.node
    if isinstance(module, _DENSE):
        with evaluation_mode(module):  # a spectral norm moves on when its weight is read
            weight, groups = module.weight, getattr(module, "groups", 1)
        kind = type(module).__name__.lower()
    elif module is None and reader.kind in _DENSE_FUNCTIONS:
        given = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
        if not isinstance(given, fx.Node) or given.op != "get_attr":
            return None
        weight, kind = program.attribute(given), reader.kind
        groups = node.args[6] if len(node.args) > 6 else node.kwargs.get("groups", 1)
    else:
        return None
    if groups != 1:
        return None
    inputs = weight.shape[0 if "transpose" in kind else 1]
    return _Weight(weight.numel(), inputs, reader.rank - 1 if kind == "linear" else 1)
