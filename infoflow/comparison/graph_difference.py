"""What one layer graph has that another has not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Any

from infoflow.graph import LayerGraph
from infoflow.interface import Layer, Merge, Skip

#: Operations of one kind are counted: an ``add`` less changes the names of those behind it.
_COUNT = re.compile(r":\d+$")

_WORDS = {
    "layers_gained": "layers gained",
    "layers_lost": "layers lost",
    "layers_changed": "layers changed",
    "merges_gained": "merges gained",
    "merges_lost": "merges lost",
    "skips_gained": "skip connections gained",
    "skips_lost": "skip connections lost",
}


@dataclass(frozen=True)
class GraphDifference:
    """What the second of two graphs has gained and lost.

    Parameters
    ----------
    layers_gained, layers_lost
        Names of layers of the second graph, or of the first, that the other has not.
    layers_changed
        Layers of both, with what differs: shape, parameters or what they read.
    merges_gained, merges_lost
        Merges, by name.
    skips_gained, skips_lost
        Skip connections, ``source->merge``.
    """

    layers_gained: tuple[str, ...] = ()
    layers_lost: tuple[str, ...] = ()
    layers_changed: tuple[str, ...] = ()
    merges_gained: tuple[str, ...] = ()
    merges_lost: tuple[str, ...] = ()
    skips_gained: tuple[str, ...] = ()
    skips_lost: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """All that differs, by what it is, in words; what is empty is left out."""
        found = {_WORDS[field.name]: getattr(self, field.name) for field in fields(self)}
        return {words: names for words, names in found.items() if names}

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __str__(self) -> str:
        if not self:
            return "The graphs have the same layers, merges and skip connections."
        lines = []
        for words, names in self.parts.items():
            lines += [f"{words}: {len(names)}", *(f"  {name}" for name in names)]
        return "\n".join(lines)


def graph_difference(first: LayerGraph, second: LayerGraph) -> GraphDifference:
    """Return what the second graph has gained and lost.

    Layers with parameters are the same where name and kind are. Operations are the same where they
    read the same of these, or have the same place between them: the count behind the name
    (``add:2``) does not matter, since it changes with every one before it.

    Parameters
    ----------
    first, second
        Graphs of two nets, or of one with and without some of its streams.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.testing import UNet
    >>> image = torch.zeros(1, 3, 16, 16)
    >>> whole = UNet(base_channels=2)
    >>> slim = infoflow.prune(whole, ["1->20"], image)
    >>> found = graph_difference(infoflow.trace(whole, image), infoflow.trace(slim, image))
    >>> found.skips_lost, found.merges_lost
    (('encoder.0.2->decoder.3.0',), ('decoder.3.0',))
    """
    same = same_layers(first, second)
    back = {other: name for name, other in same.items()}
    # what is lost has a name of its own, which may be that of another layer of the second graph
    called = {layer.name: same.get(layer.name, f"lost {layer.name}") for layer in first}
    before = {_merge_key(merge, called): merge.name for merge in first.merges}
    after = {_merge_key(merge, None): merge.name for merge in second.merges}
    skips_before = {_skip_key(s, m, called): s.name for m in first.merges for s in m.skips}
    skips_after = {_skip_key(s, m, None): s.name for m in second.merges for s in m.skips}
    return GraphDifference(
        layers_gained=tuple(layer.name for layer in second if layer.name not in back),
        layers_lost=tuple(layer.name for layer in first if layer.name not in same),
        layers_changed=tuple(_changes(first, second, same, called)),
        merges_gained=_missing(after, before),
        merges_lost=_missing(before, after),
        skips_gained=_missing(skips_after, skips_before),
        skips_lost=_missing(skips_before, skips_after),
    )


def same_layers(first: LayerGraph, second: LayerGraph) -> dict[str, str]:
    """Return, for the names of the first graph's layers, those of the same layers of the second.

    Layers with parameters are known by their names; operations by the layers with parameters that
    they read, else by their place between those that are known.
    """
    found = _pairs(_with_parameters(first), _with_parameters(second))
    found |= _pairs(_by_reading(first, found), _by_reading(second, None))
    taken = {other: name for name, other in found.items()}
    keys = [found.get(layer.name) or _key(layer) for layer in first]
    others = [layer.name if layer.name in taken else _key(layer) for layer in second]
    for start, other, length in SequenceMatcher(None, keys, others, False).get_matching_blocks():
        for step in range(length):
            name = first.layers[start + step].name
            found.setdefault(name, second.layers[other + step].name)
    return found


def _key(layer: Layer) -> tuple[str, ...]:
    return _COUNT.sub("", layer.name), layer.kind


def _with_parameters(graph: LayerGraph) -> dict[tuple[str, ...], str]:
    return {(layer.name, layer.kind): layer.name for layer in graph if layer.parameters}


def _by_reading(graph: LayerGraph, same: Mapping[str, str] | None) -> dict[tuple[str, ...], str]:
    """Return operations by the layers with parameters that they read, where these tell them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for layer in graph:
        known = [name for name in layer.streams if name in graph.names and graph[name].parameters]
        if known and not layer.parameters:
            read = sorted(_renamed(name, same) for name in known)
            found.setdefault((*_key(layer), *read), []).append(layer.name)
    return {key: names[0] for key, names in found.items() if len(names) == 1}


def _pairs(
    first: Mapping[tuple[str, ...], str], second: Mapping[tuple[str, ...], str]
) -> dict[str, str]:
    return {name: second[key] for key, name in first.items() if key in second}


def _changes(
    first: LayerGraph, second: LayerGraph, same: Mapping[str, str], called: Mapping[str, str]
) -> Iterator[str]:
    for name, other in same.items():
        before, after = first[name], second[other]
        reads = [called.get(source, source) for source in before.streams]
        differs = []
        if tuple(before.shape) != tuple(after.shape):
            differs.append(f"shape {_shape(before.shape)} → {_shape(after.shape)}")
        if before.parameters != after.parameters:
            differs.append(f"parameters {before.parameters:,} → {after.parameters:,}")
        if sorted(reads) != sorted(after.streams):
            differs.append(f"reads {_joined(before.streams)} → {_joined(after.streams)}")
        if differs:
            yield f"{other}: {', '.join(differs)}"


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "1"


def _joined(names: Sequence[str]) -> str:
    return " + ".join(names) or "nothing"


MergeKey = tuple[str, tuple[str, ...]]


def _merge_key(merge: Merge, same: Mapping[str, str] | None) -> MergeKey:
    """Return what tells merges apart: their kind, and where the streams have met."""
    return merge.kind, tuple(sorted(_renamed(name, same) for name in merge.layers))


def _skip_key(skip: Skip, merge: Merge, same: Mapping[str, str] | None) -> tuple[str, MergeKey]:
    return _renamed(skip.source, same), _merge_key(merge, same)


def _renamed(name: str, same: Mapping[str, str] | None) -> str:
    """Return the name in the second graph; inputs are called what they are called."""
    return name if same is None else same.get(name, name)


def _missing(these: Mapping[Any, str], those: Mapping[Any, str]) -> tuple[str, ...]:
    return tuple(name for key, name in these.items() if key not in those)
