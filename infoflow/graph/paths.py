"""Dominators and longest paths in the graph of inputs, layers and bundles."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import networkx as nx

from infoflow.graph.builders import BundleBuilder, LayerBuilder, Streams

Place = Hashable
ROOT: Place = "(root)"
END: Place = "(end)"


class Paths:
    """Questions about the ways from a model's inputs to its output.

    The places are inputs and layers, by name, and bundles, by identity. Several inputs hang on one
    virtual root, all outputs on one virtual end.
    """

    def __init__(self, streams: Streams) -> None:
        self.graph = nx.DiGraph()
        self.graph.add_nodes_from([ROOT, END])
        self.graph.add_edges_from((ROOT, name) for name in streams.inputs)
        self._layers = {layer.name for layer in streams.layers}
        for layer in streams.layers:
            for flow in layer.arguments:
                for place in _entrances(flow.bundle, flow.sources):
                    self.graph.add_edge(place, layer.name)
        for bundle in streams.bundles:
            if bundle.readers:  # one that only goes into another bundle is no place of its own
                self.graph.add_edges_from((source, bundle) for source in bundle.streams)
        for flow in streams.outputs:
            self.graph.add_edges_from((p, END) for p in _entrances(flow.bundle, flow.sources))
        self._dominators: dict[Place, Place] = dict(nx.immediate_dominators(self.graph, ROOT))
        self._order: list[Place] = list(nx.topological_sort(self.graph))
        self._position = {place: number for number, place in enumerate(self._order)}
        self._before = {place: list(self.graph.predecessors(place)) for place in self._order}
        self._after = {p: list(self.graph.successors(p)) for p in self.graph}

    def immediate_dominator(self, place: Place) -> Place:
        """Return the place next above ``place`` that every path from the inputs goes through."""
        return self._dominators.get(place, ROOT)

    def dominating_layer(self, name: str) -> str | None:
        """Return the nearest layer that dominates the layer ``name``, or None."""
        place = self.immediate_dominator(name)
        while place != ROOT and place not in self._layers:
            place = self.immediate_dominator(place)
        return None if place == ROOT else str(place)

    def main_stream(self, merge: Place, streams: tuple[str, ...]) -> str:
        """Return the stream with the longest path behind it, counted in layers.

        The path starts at the merge's immediate dominator; of equals, the last argument wins.
        """
        lengths = self._longest_paths(self.immediate_dominator(merge), streams)
        return max(reversed(streams), key=lambda name: lengths.get(name, -1))

    def _longest_paths(self, start: Place, ends: Iterable[Place]) -> dict[Place, int]:
        """Return how many layers are on the longest path to each place, as far as to ``ends``."""
        lengths: dict[Place, int] = {start: 0}
        last = max(self._position.get(end, 0) for end in ends)
        for place in self._order[self._position[start] + 1 : last + 1]:
            behind = [lengths[p] for p in self._before[place] if p in lengths]
            if behind:
                lengths[place] = max(behind) + (place in self._layers)
        return lengths

    def useless_without(self, source: str, merge: Place) -> set[Place]:
        """Return the places whose every path to the output uses the stream ``source -> merge``."""
        useless: set[Place] = set()
        waiting = [source] if self._after[source] == [merge] else []
        while waiting:
            place = waiting.pop()
            useless.add(place)
            waiting += [
                before
                for before in self._before[place]
                if before != ROOT and useless.issuperset(self._after[before])
            ]
        return useless


def merge_place(merge: LayerBuilder | BundleBuilder) -> Place:
    """Return the place of a merge layer or of a bundle."""
    return merge.name if isinstance(merge, LayerBuilder) else merge


def _entrances(bundle: BundleBuilder | None, sources: tuple[str, ...]) -> tuple[Place, ...]:
    return sources if bundle is None else (bundle,)
