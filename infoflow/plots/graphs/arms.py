"""Where resolution falls and rises again: the arms of a U."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

from infoflow.interface import Layer
from infoflow.plots.graphs.folding import FoldedGraph, Place

#: Change of log2 of an image's side that counts as another resolution: unpadded kernels cost less.
_STEP = 0.4
#: The part of the rises that a decoder may take back. Nets that go up and down have no arms.
_FALLS_AGAIN = 0.1
#: What rises over fewer layers is a pyramid of poolings, and no decoder.
_FEWEST = 3

Levels = Mapping[str, float | None]


@dataclass(frozen=True)
class Arms:
    """The arms of a U.

    Parameters
    ----------
    arms
        The arm of every place. Arm 0 is the encoder: places with no upsampling before them. The
        others are decoders: a U-Net has one; a nested U-Net has several, and each reads the one
        before it at the same resolution.
    stages
        Numbers of the resolutions, from the lowest; None for places whose value is no image.
    """

    arms: Mapping[str, int]
    stages: Mapping[str, int | None]


def find_arms(folded: FoldedGraph) -> Arms | None:
    """Return the arm of every place, or None for a net that is no U.

    Parameters
    ----------
    folded
        Places and streams.

    Returns
    -------
    Arms or None
    """
    graph = folded.to_networkx()
    levels = _levels_of_places(folded)
    rises = [edge for edge in graph.edges if _change(levels, *edge) > 0]
    falls = [edge for edge in graph.edges if _change(levels, *edge) < 0]
    risen = _times_risen(graph, levels)
    again = [edge for edge in falls if risen[edge[0]]]
    bridges = [(s, t) for s, t in graph.edges if not risen[s] and risen[t] and (s, t) not in rises]
    decoder = [layer for place in folded.places if risen[place.name] for layer in place.layers]
    if not (falls or bridges) or len(again) > _FALLS_AGAIN * len(rises) or len(decoder) < _FEWEST:
        return None
    return Arms(_arms(graph, levels, risen), _stages(levels))


def _arms(graph: nx.DiGraph, levels: Levels, risen: Mapping[str, int]) -> dict[str, int]:
    arms: dict[str, int] = {}
    for place in nx.lexicographical_topological_sort(graph):
        before = [
            arms[source] + _is_beside(levels, risen, source, place)
            for source in graph.predecessors(place)
            if risen[source]
        ]
        arms[place] = max([1, *before]) if risen[place] else 0
    return arms


def _is_beside(levels: Levels, risen: Mapping[str, int], source: str, place: str) -> bool:
    """Tell whether ``source`` has come to the same resolution by fewer rises."""
    known = levels[source] is not None and levels[place] is not None
    return known and _change(levels, source, place) == 0 and risen[source] < risen[place]


def _times_risen(graph: nx.DiGraph, levels: Levels) -> dict[str, int]:
    risen: dict[str, int] = {}
    for place in nx.topological_sort(graph):
        before = [risen[s] + (_change(levels, s, place) > 0) for s in graph.predecessors(place)]
        risen[place] = max(before, default=0)
    return risen


def _change(levels: Levels, source: str, target: str) -> int:
    """Return 1 where resolution rises, -1 where it falls, else 0."""
    before, after = levels[source], levels[target]
    if before is None or after is None or abs(after - before) < _STEP:
        return 0
    return 1 if after > before else -1


# --------------------------------------------------------------------------- resolution


def _stages(levels: Levels) -> dict[str, int | None]:
    known = sorted(level for level in levels.values() if level is not None)
    steps = [after for before, after in pairwise(known) if after - before >= _STEP]
    return {
        name: None if level is None else sum(level >= step for step in steps)
        for name, level in levels.items()
    }


def _levels_of_places(folded: FoldedGraph) -> dict[str, float | None]:
    """Return log2 of the mean side of the image that leaves each place, None where unknown."""
    of_layers = _levels(tuple(layer for place in folded.places for layer in place.layers))

    def last(place: Place) -> float | None:
        known = [of_layers[layer.name] for layer in place.layers]
        return next((level for level in reversed(known) if level is not None), None)

    return {place.name: last(place) for place in folded.places}


def _levels(layers: tuple[Layer, ...]) -> dict[str, float | None]:
    """Tell images by the convolutions that make them; other layers follow what they read.

    Of a shape alone it cannot be said which of its dimensions are positions. What has a single
    position is no image: it is a summary, as of a gate, and no bottom of a U.
    """
    levels: dict[str, float | None] = {}
    ranks: dict[str, int] = {}
    for layer in layers:
        known = [s for s in layer.streams if levels.get(s) is not None]
        rank = _rank_of_convolution(layer)
        if not rank and not layer.kind[:1].isupper():
            rank = next((ranks[s] for s in known if ranks[s] == len(layer.shape)), 0)
        if rank:
            level = math.log2(max(1, math.prod(layer.shape[1:]))) / (rank - 1)
            levels[layer.name] = level or None
        else:
            is_vector = len(layer.shape) < 2
            levels[layer.name] = levels[known[0]] if known and not is_vector else None
        ranks[layer.name] = rank or next((ranks[s] for s in known), 0)
    return levels


def _rank_of_convolution(layer: Layer) -> int:
    """Return the number of dimensions of a convolution's value, 0 for what is no image."""
    found = re.search(r"conv\w*?([123])d", layer.kind, re.IGNORECASE)
    is_image = found is not None and len(layer.shape) == int(found[1]) + 1
    return len(layer.shape) if is_image else 0
