"""Which layers share a box when a graph is too large to draw every one of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

from infoflow.graph import LayerGraph
from infoflow.graph.selection import not_found
from infoflow.interface import ArgumentError, ArgumentTypeError, Layer
from infoflow.interface.argument_checks import shown

#: A picture with fewer boxes than this says too little, so a finer one is tried.
_FEWEST = 6


@dataclass(frozen=True)
class Group:
    """Consecutive layers that share a box; a box of its own for a single layer.

    Parameters
    ----------
    label
        The layer's name, the module that the layers have in common, or first…last of several.
    layers
        In the order of computation, without gaps: so folding can close no circle.
    """

    label: str
    layers: tuple[Layer, ...]


def group_layers(
    graph: LayerGraph, *, unfold: str | Sequence[str] = (), max_places: int = 60
) -> tuple[Group, ...]:
    """Return groups of layers, at most ``max_places`` of them but for what is unfolded.

    Parameters
    ----------
    graph
        The graph.
    unfold
        Names or globs of modules or layers that are not folded; ``"all"`` folds nothing.
    max_places
        A graph with at most as many layers is not folded.

    Returns
    -------
    tuple of Group
        In the order of computation. All of them are modules of one depth in the tree of names,
        the finest that fits; runs of equal neighbours where no depth does.

    Raises
    ------
    ArgumentError
        If ``max_places`` is not positive.
    LayerNotFoundError
        If a pattern in ``unfold`` matches no module or layer.
    """
    if not isinstance(max_places, int) or max_places < 1:
        raise ArgumentError(f"max_places must be 1 or more, got {shown(max_places)}.")
    is_one = isinstance(unfold, str) or not isinstance(unfold, Iterable)
    patterns: tuple[Any, ...] = (unfold,) if is_one else tuple(unfold)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise ArgumentTypeError(
            f"unfold must be 'all', or names and patterns such as 'encoder.*', got {shown(unfold)}."
        )
    single = tuple(Group(layer.name, (layer,)) for layer in graph.layers)
    if len(graph) <= max_places or "all" in patterns:
        return single
    opened = {name for pattern in patterns for name in _matching(graph, pattern)}
    return tuple(
        part for group in _finest(graph.layers, max_places) for part in _open(group, opened)
    )


def modules_of(name: str) -> list[str]:
    """Return the names of the modules around a layer, outermost first, without the layer's own.

    Examples
    --------
    >>> modules_of("layer1.0.conv1")
    ['layer1', 'layer1.0']
    """
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


# --------------------------------------------------------------------------- what is unfolded


def _matching(graph: LayerGraph, pattern: str) -> set[str]:
    found = {
        name
        for name in graph.names
        if any(fnmatchcase(module, pattern) for module in (*modules_of(name), name))
    }
    if not found:
        raise not_found(graph, pattern)
    return found


def _open(group: Group, opened: set[str]) -> Iterator[Group]:
    """Yield the opened layers alone, and what is left between them as smaller groups."""
    if opened.isdisjoint(layer.name for layer in group.layers):
        yield group
        return
    for is_open, layers in groupby(group.layers, lambda layer: layer.name in opened):
        if is_open:
            yield from (Group(layer.name, (layer,)) for layer in layers)
        else:
            yield _common(tuple(layers))


# --------------------------------------------------------------------------- what is folded


def _finest(layers: Sequence[Layer], most: int) -> Sequence[Group]:
    """Return the first candidate with a good number of groups, else the largest that fits."""
    fitting = []
    for groups in _candidates(layers):
        if _FEWEST <= len(groups) <= most:
            return groups
        if len(groups) <= most:
            fitting.append(groups)
    return max(fitting, key=len) if fitting else _chunks(list(_candidates(layers))[-1], most)


def _candidates(layers: Sequence[Layer]) -> Iterator[list[Group]]:
    """Yield ways to fold: by numbered modules, by any modules, and by runs; each finest first."""
    numbered = {layer.name: _numbered_modules(layer.name) for layer in layers}
    every = {layer.name: modules_of(layer.name) for layer in layers}
    by_number = [_by_module(layers, _at(numbered, level)) for level in _levels(numbered)]
    yield from by_number
    yield from (_by_module(layers, _at(every, level)) for level in _levels(every))
    yield _runs([Group(layer.name, (layer,)) for layer in layers])
    yield from map(_runs, by_number)


def _levels(modules: dict[str, list[str]]) -> range:
    return range(max(map(len, modules.values())) - 1, -1, -1)


def _at(modules: dict[str, list[str]], level: int) -> Callable[[Layer], str]:
    """Return a function from a layer to its module at a level; its own name where that is none."""

    def module(layer: Layer) -> str:
        around = modules[layer.name]
        return f"{around[level]}." if level < len(around) else layer.name

    return module


def _numbered_modules(name: str) -> list[str]:
    """Return the outermost module, and those whose own name has a digit: the repeated ones."""
    return [
        module
        for depth, module in enumerate(modules_of(name))
        if depth == 0 or re.search(r"\d", module.rpartition(".")[2])
    ]


def _by_module(layers: Sequence[Layer], module: Callable[[Layer], str]) -> list[Group]:
    pieces = [
        (key, tuple(call)) for key, inside in groupby(layers, module) for call in _calls(inside)
    ]
    times = Counter(key for key, _ in pieces)
    return [
        Group(key.removesuffix("."), piece) if times[key] == 1 else _common(piece)
        for key, piece in pieces
    ]


def _calls(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    """Yield the layers of one call of a module after the other, as of a siamese net's encoder."""
    call: list[Layer] = []
    seen: set[str] = set()
    for layer in layers:
        name = layer.name.partition(":")[0]
        if name in seen:
            yield call
            call, seen = [], set()
        call.append(layer)
        # operations are numbered within one call
        seen |= {name} if layer.kind[:1].isupper() else set()
    yield call


def _common(layers: tuple[Layer, ...]) -> Group:
    """Return the group of these layers, named by the innermost module that holds all of them."""
    if len(layers) == 1:
        return Group(layers[0].name, layers)
    around = zip(*(modules_of(layer.name) for layer in layers), strict=False)
    shared = [modules[0] for modules in around if len(set(modules)) == 1]
    return Group(shared[-1] if shared else _range(layers[0].name, layers[-1].name), layers)


def _runs(groups: Sequence[Group]) -> list[Group]:
    """Join neighbours with the same layers within the same module."""

    def look(group: Group) -> tuple[object, ...]:
        parts = tuple((layer.kind, layer.shape, layer.is_merge) for layer in group.layers)
        return (group.label.rpartition(".")[0], parts)

    return [_join(list(run)) for _, run in groupby(groups, look)]


def _chunks(groups: Sequence[Group], most: int) -> list[Group]:
    size = math.ceil(len(groups) / most)
    return [_join(groups[start : start + size]) for start in range(0, len(groups), size)]


def _join(groups: Sequence[Group]) -> Group:
    if len(groups) == 1:
        return groups[0]
    layers = tuple(layer for group in groups for layer in group.layers)
    return Group(_range(groups[0].label, groups[-1].label), layers)


def _range(first: str, last: str) -> str:
    """Return first…last, without what the last has in common with the first."""
    same = first.rpartition(".")[0] == last.rpartition(".")[0]
    return f"{first}…{last.rpartition('.')[2] if same else last}"
