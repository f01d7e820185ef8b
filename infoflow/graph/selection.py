"""Layers of a graph by name, pattern, index, or role."""

from __future__ import annotations

import difflib
import fnmatch
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from infoflow.interface import ArgumentTypeError, Layer, LayerNotFoundError, Merge
from infoflow.interface.argument_checks import shown

#: Layers as they are chosen: ``"all"``, ``"merges"``, or names, patterns and indices.
LayerChoice = str | int | Sequence[str | int]


class NamedLayers(Protocol):
    """The layers of a net: what a choice among them has to know."""

    model: str
    layers: tuple[Layer, ...]
    merges: tuple[Merge, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: str | int, /) -> Layer: ...


def select_layers(graph: NamedLayers, layers: LayerChoice) -> tuple[Layer, ...]:
    """Return the chosen layers in the order of computation; see :meth:`LayerGraph.select`."""
    chosen: set[str] = set()
    for key in keys_of(layers):
        chosen |= _match(graph, key)
    if not len(graph):
        raise LayerNotFoundError(
            f"{graph.model} has no layers: nothing with weights, and no merge, was seen between "
            "its input and its output. Check graph.verification.notes."
        )
    if not chosen:
        raise LayerNotFoundError(
            f"No layer of {graph.model} is chosen by layers={layers!r}: it has {len(graph)} layers "
            f"and {len(graph.merges)} merges. Choose layers='all', or a name."
        )
    return tuple(layer for layer in graph.layers if layer.name in chosen)


def keys_of(layers: LayerChoice) -> list[str | int]:
    """Return names, patterns and indices as a list; whole numbers of NumPy are indices, too."""
    is_kind = isinstance(layers, (str, int, np.integer, Iterable))
    if not is_kind or isinstance(layers, (bool, bytes, Mapping)):
        raise ArgumentTypeError(
            f"layers must be 'all', 'merges', or names, patterns and indices, got {shown(layers)}."
        )
    keys = [layers] if isinstance(layers, (str, int, np.integer)) else list(layers)
    strange = [k for k in keys if not isinstance(k, (str, int, np.integer)) or isinstance(k, bool)]
    if strange:
        raise ArgumentTypeError(
            f"layers must be names, patterns and indices, got {shown(strange[0])} among them."
        )
    return [key if isinstance(key, str) else int(key) for key in keys]


def named_layers(graph: NamedLayers, layers: LayerChoice) -> set[str]:
    """Return the layers that are asked for one by one, not by a pattern or a role."""
    keys = keys_of(layers)
    return {graph[key].name for key in keys if isinstance(key, int) or key in graph.names}


def _match(graph: NamedLayers, key: str | int) -> set[str]:
    names = set(graph.names)
    if key == "all":
        return names
    if key == "merges":
        met = {name for merge in graph.merges for name in merge.layers}
        return met | {s for merge in graph.merges for s in merge.streams if s in names}
    if isinstance(key, int) or key in names:
        return {graph[key].name}
    matched = set(fnmatch.filter(names, key))
    if not matched:
        raise not_found(graph, key)
    return matched


def find_layer(graph: NamedLayers, key: object) -> Layer:
    """Return a layer by index; raise the error for a name that none has, or another key."""
    place = key if isinstance(key, str) else _index(key)
    if isinstance(place, str) or not -len(graph) <= place < len(graph):
        raise not_found(graph, place)
    return graph.layers[place]


def _index(key: object) -> int:
    try:
        if isinstance(key, bool):
            raise TypeError(key)
        return operator.index(key)  # type: ignore[arg-type]
    except TypeError as error:
        raise ArgumentTypeError(
            f"A layer is found by its name or index, got {shown(key)}."
        ) from error


def not_found(graph: NamedLayers, key: str | int) -> LayerNotFoundError:
    """Return the error for a key that matches no layer, with the nearest names."""
    if isinstance(key, int):
        return LayerNotFoundError(
            f"There is no layer {key}: {graph.model} has layers 0 to {len(graph) - 1}."
        )
    near = difflib.get_close_matches(key, graph.names, n=3, cutoff=0.3)
    first = ", ".join(graph.names[:3])
    hint = f"The nearest names are {', '.join(near)}." if near else f"Its first are {first}."
    return LayerNotFoundError(f"No layer of {graph.model} is named or matches {key!r}. {hint}")
