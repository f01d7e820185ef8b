"""What layers cost, with the edges that they read through."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set

from torch import fx

from infoflow.graph.builders import OUTPUT, BundleBuilder, Edge, Streams
from infoflow.graph.paths import Place
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.interface import total


class LayerCosts:
    """Multiply-adds of one sample, by layer and by edge; None where they are not known.

    Parameters
    ----------
    streams
        Layers and edges, with their nodes.
    facts
        What is known of the nodes, for the whole example.
    samples
        How many there are in the example.

    Attributes
    ----------
    own
        What each layer costs, with what follows it and belongs to it.
    edges
        What operations cost that belong to no layer, such as the attention of queries, keys and
        values that are cut from one linear layer.
    """

    def __init__(self, streams: Streams, facts: Mapping[fx.Node, NodeInfo], samples: int) -> None:
        self._facts = facts
        self._samples = max(samples, 1)
        self._names = [draft.name for draft in streams.layers]
        self.own = {
            draft.name: total(self.of(node) for node in (draft.node, *draft.parts))
            for draft in streams.layers
        }
        costs = ((edge, self.of(edge.node)) for edge in streams.edges)
        self.edges: dict[Edge, int | None] = {edge: cost for edge, cost in costs if cost != 0}

    def of(self, node: fx.Node) -> int | None:
        """Return what one operation costs."""
        whole = self._facts[node].multiply_adds
        return None if whole is None else whole // self._samples

    def by_layer(self) -> dict[str, int | None]:
        """Return what each layer costs from the layers that it reads on; each edge counts once."""
        found = dict(self.own)
        for edge, cost in self.edges.items():
            name = self._payer(edge)
            if name is not None:
                found[name] = total((found[name], cost))
        return found

    def without(self, useless: Set[Place], gone: Set[Hashable]) -> int | None:
        """Return what layers, and edges that are gone, cost."""
        layers = [self.own[str(name)] for name in useless if name in self.own]
        return total((*layers, *(cost for edge, cost in self.edges.items() if edge in gone)))

    def _payer(self, edge: Edge) -> str | None:
        """Return the first layer that reads an edge; where only the output does, its source."""
        readers = {
            name
            for reader in edge.readers
            for name in (reader.readers if isinstance(reader, BundleBuilder) else [reader])
            if name != OUTPUT
        }
        first = next((name for name in self._names if name in readers), None)
        if first is not None or not self._names:
            return first
        return edge.source if edge.source in self.own else self._names[-1]
