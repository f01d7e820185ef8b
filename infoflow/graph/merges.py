"""Merges, their main streams and their skip connections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx, nn

from infoflow.graph.drafts import OUTPUT, BundleDraft, LayerDraft, MergeDraft, Names, Streams
from infoflow.graph.paths import Paths, Place, merge_place
from infoflow.graph.tracing.modes import evaluation_mode
from infoflow.graph.tracing.operations import operation_name
from infoflow.graph.tracing.program import Program
from infoflow.interface import Layer, Merge, Skip

#: Kernel layers whose weights fall in proportion to the width of the bundle that they read.
_DENSE = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
_DENSE_FUNCTIONS = (
    *("linear", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)


def find_merges(
    streams: Streams, paths: Paths, layers: Mapping[str, Layer], program: Program
) -> list[tuple[Merge, MergeDraft]]:
    """Return the merges, in the order in which their streams meet, and what they were made of."""
    found: list[MergeDraft] = [
        *(layer for layer in streams.layers if layer.is_joint),
        *(bundle for bundle in streams.bundles if bundle.readers),
    ]
    found.sort(key=lambda merge: _order(merge, layers, len(streams.layers)))
    cost = _Savings(streams, paths, layers, program)
    names = Names(layers)
    merges = []
    for merge in found:
        reader = _readers(merge)[0]
        name = names.new("output") if reader == OUTPUT else names.new(reader, owns=True)
        merges.append((_finish(merge, name, paths, layers, cost), merge))
    return merges


def _finish(
    merge: MergeDraft,
    name: str,
    paths: Paths,
    layers: Mapping[str, Layer],
    cost: _Savings,
) -> Merge:
    main = paths.main_stream(merge_place(merge), merge.streams)
    met_in = tuple(reader for reader in _readers(merge) if reader != OUTPUT)
    index = layers[met_in[0]].index if met_in else None
    removable = {
        source: Skip(
            source=source,
            merge=name,
            source_index=layers[source].index if source in layers else None,
            merge_index=index,
            parameters=cost.of(merge, source, "parameters"),
            multiply_adds=cost.of(merge, source, "multiply_adds"),
        )
        for source in merge.streams
    }
    branch = removable.pop(main)
    skips = tuple(removable.values())
    return Merge(name, _kind(merge), merge.streams, met_in, main, skips, index, branch)


def _readers(merge: MergeDraft) -> list[str]:
    return [merge.name] if isinstance(merge, LayerDraft) else merge.readers


def _order(merge: MergeDraft, layers: Mapping[str, Layer], end: int) -> int:
    return min(layers[name].index if name in layers else end for name in _readers(merge))


def _kind(merge: MergeDraft) -> str:
    return "attention" if merge.kind == "MultiheadAttention" else merge.kind


#: Norms over channels, as modules and as functions.
_MIXING = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_MIXING_FUNCTIONS = ("layer_norm", "group_norm", "rms_norm")
_SUMS, _PRODUCTS = ("add", "sub"), ("mul", "div")


class _Savings:
    """What a net without one stream would save."""

    def __init__(
        self,
        streams: Streams,
        paths: Paths,
        layers: Mapping[str, Layer],
        program: Program,
    ) -> None:
        self._paths = paths
        self._layers = layers
        self._drafts = {draft.name: draft for draft in streams.layers}
        self._edges = streams.edges
        self._program = program
        self._users: dict[int, set[str]] = {}
        for name, draft in self._drafts.items():
            self._users.setdefault(id(self._module(draft)), set()).add(name)

    def of(self, merge: MergeDraft, source: str, what: str) -> int | None:
        """Count ``what`` ("parameters" or "multiply_adds"), None where it cannot be said."""
        place = merge_place(merge)
        useless = self._paths.useless_without(source, place)
        names = [name for name in self._layers if name in useless]
        if what == "parameters":
            names = self._owners(names)
        saved: int = sum(getattr(self._layers[name], what) for name in names)
        if what == "parameters":
            saved += self._between(source, place, useless)
        if isinstance(merge, LayerDraft):
            return saved if self._can_lose(merge, source) else None
        norms = self._norms(merge)
        if OUTPUT in merge.readers or any(self._mixes(norm) for norm, _ in norms):
            return None  # a narrower output is another net, and so is what is normed together
        for reader in merge.readers:
            share = self._share_of_reader(merge, source, self._drafts[reader], what)
            if share is None:
                return None
            saved += share
        if what == "parameters" and merge.widths is not None:
            width, total = merge.widths[merge.streams.index(source)], sum(merge.widths)
            saved += sum(numbers * width // total for _, numbers in norms)
        return saved

    def _can_lose(self, merge: LayerDraft, source: str) -> bool:
        """Tell whether an operation is a sum or product that is still there without a stream.

        What is left of a gate without its larger side has another shape.
        """
        if merge.kind in _PRODUCTS:
            size = math.prod(self._layers[merge.name].shape)
            others = [self._layers[s] for s in merge.streams if s != source and s in self._layers]
            return all(math.prod(other.shape) >= size for other in others)
        return merge.kind in _SUMS and self._module(merge) is None

    def _owners(self, names: Sequence[str]) -> list[str]:
        """Return the layers whose weights no other layer uses, one for each module."""
        found: dict[int | str, str] = {}
        useless = set(names)
        for name in names:
            module = self._module(self._drafts[name])
            if module is None or self._users[id(module)] <= useless:
                found[name if module is None else id(module)] = name
        return list(found.values())

    def _between(self, source: str, merge: Place, useless: set[Place]) -> int:
        """Count the learned numbers of norms between layers that only useless places read."""
        return sum(
            edge.parameters
            for edge in self._edges
            if edge.readers <= useless
            or (edge.source == source and edge.readers <= {*useless, merge})
        )

    def _share_of_reader(
        self, bundle: BundleDraft, source: str, reader: LayerDraft, what: str
    ) -> int | None:
        weight = _weight(reader, self._program)
        if bundle.widths is None or weight is None or bundle.axis != weight.axis:
            return None
        if self._module(reader) is not None and len(self._users[id(self._module(reader))]) > 1:
            return None  # weights that other layers read with cannot lose channels
        width, total = bundle.widths[bundle.streams.index(source)], sum(bundle.widths)
        if what == "multiply_adds":
            return self._layers[reader.name].multiply_adds * width // total
        return weight.numbers * width // total

    def _norms(self, merge: BundleDraft) -> frozenset[tuple[fx.Node, int]]:
        """Return the norms between a bundle and its readers, with their learned numbers."""
        readers = [self._drafts[name] for name in merge.readers if name != OUTPUT]
        flows = (flow for reader in readers for flow in reader.arguments if flow.bundle is merge)
        return frozenset().union(*(flow.norms for flow in flows))

    def _mixes(self, norm: fx.Node) -> bool:
        """Tell whether a norm takes its mean over channels of several streams."""
        module = self._program.module(norm)
        return isinstance(module, _MIXING) or operation_name(norm) in _MIXING_FUNCTIONS

    def _module(self, draft: LayerDraft) -> nn.Module | None:
        return self._program.module(draft.node)


@dataclass(frozen=True)
class _Weight:
    """How many numbers a dense layer's weight has, and along which axis of its input they lie."""

    numbers: int
    axis: int


def _weight(reader: LayerDraft, program: Program) -> _Weight | None:
    """Return the weight of a layer whose cost is in proportion to its input's width, or None."""
    module, node = program.module(reader.node), reader.node
    if isinstance(module, _DENSE):
        with evaluation_mode(module):  # a spectral norm moves on when its weight is read
            numbers, groups = module.weight.numel(), getattr(module, "groups", 1)
        is_linear = isinstance(module, nn.Linear)
    elif module is None and reader.kind in _DENSE_FUNCTIONS:
        weight = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
        if not isinstance(weight, fx.Node) or weight.op != "get_attr":
            return None
        numbers = program.attribute(weight).numel()
        groups = node.args[6] if len(node.args) > 6 else node.kwargs.get("groups", 1)
        is_linear = reader.kind == "linear"
    else:
        return None
    return _Weight(numbers, reader.rank - 1 if is_linear else 1) if groups == 1 else None
