"""Layers, bundles and flows while they are being found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from torch import fx

_Item = TypeVar("_Item")

#: The name under which the model's output reads a bundle; no layer's name has parentheses.
OUTPUT = "(output)"


@dataclass(eq=False)
class BundleBuilder:
    """Streams put side by side: a concatenation with two or more sources, or a part of one.

    ``widths`` says how much of the concatenated dimension ``axis`` each stream fills, in all its
    pieces together; None where that is not known.
    """

    kind: str
    node: fx.Node
    streams: tuple[str, ...]
    widths: tuple[int, ...] | None
    axis: int | None = None
    readers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Flow:
    """Where a value comes from: one source, or the sources of a bundle.

    ``norms`` are the learned norms that a bundle went through on its way; ``is_mixed`` tells
    whether anything on it did not treat the concatenated channels one by one.
    """

    sources: tuple[str, ...]
    bundle: BundleBuilder | None = None
    norms: frozenset[fx.Node] = frozenset()
    is_mixed: bool = False

    @property
    def origin(self) -> tuple[tuple[str, ...], BundleBuilder | None]:
        """What two flows have in common that are of one value."""
        return self.sources, self.bundle


@dataclass(eq=False)
class LayerBuilder:
    """A layer while it is being found; ``value`` moves down as what follows is absorbed.

    ``parts`` are the nodes that belong to it, beside ``node``.
    """

    name: str
    kind: str
    node: fx.Node
    value: fx.Node
    rank: int
    arguments: tuple[Flow, ...]
    followed_by: list[str] = field(default_factory=list)
    parts: list[fx.Node] = field(default_factory=list)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all sources, in the order of the arguments."""
        return unique(source for flow in self.arguments for source in flow.sources)

    @property
    def is_joint(self) -> bool:
        """Whether different streams meet in the operation itself, not in a bundle before it."""
        return len({flow.origin for flow in self.arguments}) > 1

    @property
    def bundles(self) -> list[BundleBuilder]:
        """The bundles among the arguments."""
        return list(unique(flow.bundle for flow in self.arguments if flow.bundle is not None))


@dataclass(frozen=True)
class Edge:
    """An operation that belongs to no layer and has learned numbers, or costs multiply-adds.

    Such as a norm after a layer that others read, too, or attention between parts of one layer's
    value. ``source`` is None behind a bundle; ``readers`` are the names of the layers, and the
    bundles, that read it.
    """

    node: fx.Node
    source: str | None
    readers: frozenset[object]


@dataclass(frozen=True)
class Streams:
    """All that was found: inputs, layers, bundles, flows of the output and of all nodes, edges.

    ``learned`` has, for each node that reads parameters, their identities and sizes.
    """

    inputs: tuple[str, ...]
    layers: tuple[LayerBuilder, ...]
    bundles: tuple[BundleBuilder, ...]
    outputs: tuple[Flow, ...]
    flows: Mapping[fx.Node, Flow]
    edges: tuple[Edge, ...]
    learned: Mapping[fx.Node, Mapping[int, int]]

    def learned_by(self, *nodes: fx.Node) -> Mapping[int, int]:
        """Return the parameters that some nodes read, each once, with their sizes."""
        return {key: size for n in nodes for key, size in self.learned.get(n, {}).items()}


#: A place where streams meet, while it is being found.
MergeBuilder = LayerBuilder | BundleBuilder


@dataclass(frozen=True)
class Anatomy:
    """Where the parts of a layer graph lie in its program.

    Parameters
    ----------
    streams
        Inputs, layers and bundles, with their nodes, and the flow of every node.
    merges
        The merge layer or the bundle that each merge, by name, was made of.
    """

    streams: Streams
    merges: Mapping[str, MergeBuilder]


class Names:
    """Names of inputs, layers and operations in one graph, each given once.

    Parameters
    ----------
    reserved
        Names that only the one that owns them gets.
    """

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = set(reserved)
        self._given: set[str] = set()

    def of_input(self, name: str) -> str:
        """Return the name of an input, another one where a module has it too."""
        name = f"input {name}" if name in self._reserved else name
        self._given.add(name)
        return name

    def new(self, name: str, *, owns: bool = False) -> str:
        """Return ``name``, or ``name:2`` and so on where others have it.

        ``owns`` says that the name is reserved for the one that asks.
        """
        count, candidate = 1, name
        while candidate in self._given or (candidate in self._reserved and not owns):
            count, owns = count + 1, False
            candidate = f"{name}:{count}"
        self._given.add(candidate)
        return candidate


def unique(items: Iterable[_Item]) -> tuple[_Item, ...]:
    """Return the items without repeats, in order."""
    return tuple(dict.fromkeys(items))
