"""A layer graph with as many boxes as can be read: what is drawn, before where it is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import networkx as nx

from infoflow.graph import LayerGraph
from infoflow.interface import Layer, LayerNotFoundError, Merge
from infoflow.plots.graphs.grouping import Group, group_layers

Role = Literal["input", "layer", "fold", "junction", "output"]
#: Name of the place of the model's output; no module can be called so.
OUTPUT = "(output)"


@dataclass(frozen=True)
class Place:
    """A box of the picture: an input, a layer, several layers in one, a junction, or the output.

    Parameters
    ----------
    name
        Unique in the picture. A fold has the name of its module, with indices of layers, as in
        ``layer3[31:56]``, where another place is called so too.
    label
        What is written on it.
    role
        ``"input"``, ``"layer"``, ``"fold"``, ``"junction"`` or ``"output"``. A junction is a
        concatenation that several places read: without it, each of its streams would go to all.
    layers
        The layers that it stands for; none for an input and the output.
    merges
        The kinds of the merges in which streams meet here, one for each merge.
    """

    name: str
    label: str
    role: Role
    layers: tuple[Layer, ...] = ()
    merges: tuple[str, ...] = ()

    @property
    def is_merge(self) -> bool:
        """Whether streams meet right here, not somewhere inside of a fold."""
        return bool(self.merges) and self.role != "fold"


@dataclass(frozen=True)
class PlaceStream:
    """All streams from one place to another.

    Parameters
    ----------
    source, target
        Names of places.
    streams
        The streams of the layer graph, as pairs of names.
    skips
        ``"7→11"`` for each of them that is a skip connection.
    """

    source: str
    target: str
    streams: tuple[tuple[str, str], ...]
    skips: tuple[str, ...] = ()

    @property
    def is_skip(self) -> bool:
        """Whether there is nothing but skip connections."""
        return len(self.skips) == len(self.streams)


@dataclass(frozen=True)
class FoldedGraph:
    """Places and the streams between them.

    Parameters
    ----------
    places
        Inputs, junctions, layers and folds in the order of computation, and the output.
    streams
        In the order of their targets. Those from a junction stand for all that meet there.
    """

    places: tuple[Place, ...]
    streams: tuple[PlaceStream, ...]

    def __getitem__(self, name: str) -> Place:
        """Return a place by name; a LayerNotFoundError shows the names there are."""
        names = [place.name for place in self.places]
        if name not in names:
            raise LayerNotFoundError(f"No place is named {name!r}. There are {', '.join(names)}.")
        return self.places[names.index(name)]

    @property
    def folds(self) -> tuple[Place, ...]:
        """The places that stand for several layers."""
        return tuple(place for place in self.places if place.role == "fold")

    def to_networkx(self) -> nx.DiGraph:
        """Return places as nodes and streams as edges, each with its object as ``about``."""
        graph = nx.DiGraph()
        graph.add_nodes_from((place.name, {"about": place}) for place in self.places)
        graph.add_edges_from((s.source, s.target, {"about": s}) for s in self.streams)
        return graph


def fold(
    graph: LayerGraph, *, unfold: str | Sequence[str] = (), max_places: int = 60
) -> FoldedGraph:
    """Return what is drawn of a graph: all of it, or its repeated modules folded.

    Parameters
    ----------
    graph
        The graph.
    unfold
        Names or globs of modules or layers that are not folded; ``"all"`` folds nothing.
    max_places
        A graph with more layers than this is folded, to no more boxes for layers.

    Returns
    -------
    FoldedGraph

    Raises
    ------
    ArgumentError
        If ``max_places`` is not positive.
    LayerNotFoundError
        If a pattern in ``unfold`` matches no module or layer.

    Examples
    --------
    >>> import infoflow, torch
    >>> from torchvision.models import resnet50
    >>> graph = infoflow.trace(resnet50(weights=None), torch.zeros(1, 3, 64, 64))
    >>> fold(graph, max_places=10)["layer3"].merges.count("add")
    6
    """
    groups = group_layers(graph, unfold=unfold, max_places=max_places)
    names = _names(graph, groups)
    holder = {
        layer.name: name
        for name, group in zip(names, groups, strict=True)
        for layer in group.layers
    }
    holder |= {name: name for name in (*graph.inputs, OUTPUT)}
    junctions = {reader: merge for merge in graph.merges for reader in _spread_over(merge, holder)}
    places = tuple(_places(graph, groups, holder, junctions))
    return FoldedGraph(places, tuple(_streams(graph, holder, junctions)))


def _names(graph: LayerGraph, groups: Sequence[Group]) -> list[str]:
    """Return unique names: folds are named by their label, and by indices where it is ambiguous.

    A module that is computed in several pieces has several places, and a layer may have the name of
    the module in whose ``forward`` it is.
    """
    folds = [group.label for group in groups if len(group.layers) > 1]
    times = Counter([*folds, *graph.names, *graph.inputs])

    def name(group: Group) -> str:
        first, last = group.layers[0], group.layers[-1]
        if first is last:
            return first.name
        is_unique = times[group.label] == 1
        return group.label if is_unique else f"{group.label}[{first.index}:{last.index + 1}]"

    return [name(group) for group in groups]


def _junction(merge: Merge) -> str:
    return f"({merge.name})"


def _spread_over(merge: Merge, holder: Mapping[str, str]) -> tuple[str, ...]:
    """Return the readers of a concatenation where it joins several places to several others."""
    sources = {holder[source] for source in merge.streams}
    readers = {holder[reader] for reader in merge.layers}
    is_junction = len(sources) > 1 and len(readers) > 1 and sources.isdisjoint(readers)
    return merge.layers if is_junction else ()


def _places(
    graph: LayerGraph,
    groups: Sequence[Group],
    holder: Mapping[str, str],
    junctions: Mapping[str, Merge],
) -> Iterator[Place]:
    joined = {merge.name for merge in junctions.values()}
    met = [merge for merge in graph.merges if merge.name not in joined]
    yield from (Place(name, name, "input") for name in graph.inputs)
    for group in groups:
        for layer in group.layers:
            merge = junctions.get(layer.name)
            if merge is not None and merge.name in joined:
                joined.remove(merge.name)
                yield Place(_junction(merge), merge.kind, "junction", (), (merge.kind,))
        names = {layer.name for layer in group.layers}
        role: Role = "fold" if len(names) > 1 else "layer"
        # a fold counts a merge where its first reader is, but all readers show it
        seen = [
            m for m in met if not names.isdisjoint(m.layers[:1] if role == "fold" else m.layers)
        ]
        name = holder[group.layers[0].name]
        yield Place(name, group.label, role, group.layers, tuple(m.kind for m in seen))
    yield Place(OUTPUT, "output", "output", (), tuple(m.kind for m in met if not m.layers))


def _streams(
    graph: LayerGraph, holder: Mapping[str, str], junctions: Mapping[str, Merge]
) -> Iterator[PlaceStream]:
    skips: dict[tuple[str, str], dict[str, str]] = {}
    for merge in graph.merges:
        for skip, reader in product(merge.skips, merge.layers or (OUTPUT,)):
            skips.setdefault((skip.source, reader), {})[merge.name] = str(skip)
    pairs = [(source, layer.name) for layer in graph.layers for source in layer.streams]
    pairs += [(source, OUTPUT) for source in graph.outputs]
    between: dict[tuple[str, str], dict[tuple[str, str], str | None]] = {}
    for source, reader in pairs:
        labels, start, end = dict(skips.get((source, reader), {})), holder[source], holder[reader]
        joined = junctions.get(reader)
        if joined is not None and source in joined.streams:
            junction, label = _junction(joined), labels.pop(joined.name, None)
            between.setdefault((start, junction), {})[source, joined.layers[0]] = label
            start = junction
        if start != end:
            between.setdefault((start, end), {})[source, reader] = next(iter(labels.values()), None)
    for (start, end), found in between.items():
        named = tuple(label for label in found.values() if label is not None)
        yield PlaceStream(start, end, tuple(found), named)
