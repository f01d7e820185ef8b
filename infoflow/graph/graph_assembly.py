"""From streams and facts of a recording to a layer graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from infoflow.graph.builders import Anatomy, LayerBuilder, Streams
from infoflow.graph.layer_costs import LayerCosts
from infoflow.graph.layer_graph import LayerGraph
from infoflow.graph.merges import find_merges
from infoflow.graph.paths import Paths
from infoflow.graph.positions import find_channels, positions_of
from infoflow.graph.reduce import Reduce, reduced_shape
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import per_sample
from infoflow.graph.tracing.source import Source
from infoflow.graph.tracing.trial_run import Axes, TrialRun
from infoflow.interface import (
    ArgumentError,
    Layer,
    Merge,
    Verification,
)


@dataclass(frozen=True)
class NodeFacts:
    """Facts of the nodes, how many samples there were, and what of a layer counts them.

    ``positions`` has, by layer, the dimensions of one sample's value that count positions.
    """

    facts: Mapping[fx.Node, NodeInfo]
    axes: Axes
    samples: int
    positions: Mapping[str, tuple[int, ...]]


def layer_positions(trial: TrialRun, streams: Streams, axes: Axes) -> dict[str, tuple[int, ...]]:
    """Return the positions of the layers that have a row per sample."""
    channels = find_channels(trial.source.program, trial.facts)
    samples = max(trial.call.samples, 1)
    found = {}
    for draft in streams.layers:
        axis, reason = axes[draft.name]
        shape = trial.facts[draft.value].shape
        if reason is None:
            found[draft.name] = positions_of(channels.get(draft.value), shape, samples, axis)
    return found


def build_graph(
    model: nn.Module,
    streams: Streams,
    known: NodeFacts,
    source: Source,
    verification: Verification,
    reduce: Reduce,
) -> LayerGraph:
    """Return the graph of a model whose streams are known."""
    paths = Paths(streams)
    costs = LayerCosts(streams, known.facts, known.samples)
    by_layer = costs.by_layer()
    layers = {
        draft.name: _finish_layer(index, draft, streams, known, by_layer[draft.name], reduce)
        for index, draft in enumerate(streams.layers)
    }
    if reduce not in ("flatten", "mean") and known.samples:
        _check_positions(known.positions, reduce)
    shapes = {node: fact.shape for node, fact in known.facts.items()}
    found = find_merges(streams, paths, layers, costs, source.program, shapes)
    merges = tuple(merge for merge, _ in found)
    return LayerGraph(
        model=type(model).__name__,
        inputs=streams.inputs,
        layers=_mark_merges(layers, merges),
        merges=merges,
        outputs=_output_sources(streams),
        dominators={name: paths.dominating_layer(name) for name in layers},
        verification=verification,
        reduce=reduce,
        axes={name: axis for name, (axis, _) in known.axes.items() if axis},
        positions=known.positions,
        unmeasurable={name: reason for name, (_, reason) in known.axes.items() if reason},
        source=source,
        anatomy=Anatomy(streams, {merge.name: draft for merge, draft in found}),
    )


def _check_positions(positions: Mapping[str, tuple[int, ...]], reduce: Reduce) -> None:
    """Raise where no layer has positions to choose from."""
    if not any(len(dimensions) == 1 for dimensions in positions.values()):
        raise ArgumentError(
            f"reduce={reduce!r} chooses a position of sequences (N, positions, channels), and no "
            "layer has such a value. Leave it out, or take 'mean'."
        )


def _finish_layer(
    index: int,
    draft: LayerBuilder,
    streams: Streams,
    known: NodeFacts,
    multiply_adds: int | None,
    reduce: Reduce,
) -> Layer:
    """Describe a layer; where it has no row per sample, for the whole batch."""
    fact = known.facts[draft.value]
    axis, reason = known.axes[draft.name]
    shape, positions = fact.shape, known.positions.get(draft.name, ())
    if reason is None and known.samples:
        whole = torch.empty(shape, device="meta", dtype=torch.float32)
        one = tuple(per_sample(whole, known.samples, axis).shape[1:])
        shape = reduced_shape(one, reduce, positions)
        positions = positions if shape == one else ()
        shape = (*shape, 2) if fact.is_complex else shape
    return Layer(
        index=index,
        name=draft.name,
        kind=draft.kind,
        shape=shape,
        streams=draft.streams,
        followed_by=tuple(draft.followed_by),
        parameters=sum(streams.learned_by(draft.node, *draft.parts).values()),
        multiply_adds=multiply_adds,
        positions=positions,
    )


def _mark_merges(layers: dict[str, Layer], merges: tuple[Merge, ...]) -> tuple[Layer, ...]:
    met = {name for merge in merges for name in merge.layers}
    return tuple(replace(layer, is_merge=layer.name in met) for layer in layers.values())


def _output_sources(streams: Streams) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s for flow in streams.outputs for s in flow.sources))
