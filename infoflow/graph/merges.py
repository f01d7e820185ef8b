"""Merges, their main streams and their skip connections."""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx

from infoflow.graph.builders import OUTPUT, LayerBuilder, MergeBuilder, Names, Streams
from infoflow.graph.layer_costs import LayerCosts
from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.paths import Paths, merge_place
from infoflow.graph.savings import Savings
from infoflow.graph.tracing.program import Program
from infoflow.interface import Layer, Merge, Skip


def find_merges(
    streams: Streams,
    paths: Paths,
    layers: Mapping[str, Layer],
    costs: LayerCosts,
    program: Program,
    shapes: Mapping[fx.Node, tuple[int, ...]],
) -> list[tuple[Merge, MergeBuilder]]:
    """Return the merges, in the order in which their streams meet, and what they were made of."""
    found: list[MergeBuilder] = [
        *(layer for layer in streams.layers if layer.is_joint),
        *(bundle for bundle in streams.bundles if bundle.readers),
    ]
    found.sort(key=lambda merge: _order(merge, layers, len(streams.layers)))
    cost = Savings(streams, paths, costs, program, shapes)
    names = Names(layers)
    merges = []
    for merge in found:
        reader = _readers(merge)[0]
        name = names.new("output") if reader == OUTPUT else names.new(reader, owns=True)
        kind = _kind(merge, program)
        merges.append((_finish(merge, name, kind, paths, layers, cost), merge))
    return merges


def _finish(
    merge: MergeBuilder,
    name: str,
    kind: str,
    paths: Paths,
    layers: Mapping[str, Layer],
    cost: Savings,
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
    return Merge(name, kind, merge.streams, met_in, main, skips, index, branch)


def _readers(merge: MergeBuilder) -> list[str]:
    return [merge.name] if isinstance(merge, LayerBuilder) else merge.readers


def _order(merge: MergeBuilder, layers: Mapping[str, Layer], end: int) -> int:
    return min(layers[name].index if name in layers else end for name in _readers(merge))


def _kind(merge: MergeBuilder, program: Program) -> str:
    """Return what a merge is called: that of a module after what it does, where that has a name."""
    module = program.module(merge.node) if isinstance(merge, LayerBuilder) else None
    return (operation_of(merge.node, module).kind if module is not None else "") or merge.kind
