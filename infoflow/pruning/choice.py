"""Which streams to remove, by the names that advice and graphs give them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from infoflow.graph import LayerGraph
from infoflow.graph.builders import MergeBuilder
from infoflow.graph.operations.operation_table import either_can_go
from infoflow.interface import ArgumentError, ArgumentTypeError, Merge, PruningError, Skip

#: A stream: ``"source->merge"`` by names, or by indices (``"1->20"``, ``"#1->#20"``), or the Skip.
StreamName = str | Skip


class StreamNames(tuple[str, ...]):
    """Names of streams, ``source->merge``, that know the graph they are of, and what mended best.

    Attributes
    ----------
    graph
        The graph, where it is at hand.
    mender
        What mended the net without them that was judged: ``"plain"``, ``"reader"`` or
        ``"cascade"``; empty where none was.
    """

    graph: LayerGraph | None = None
    mender: str = ""

    @classmethod
    def of(cls, names: Iterable[str], graph: LayerGraph | None, mender: str = "") -> StreamNames:
        """Return names of streams of a graph."""
        made = cls(names)
        made.graph = graph
        made.mender = mender
        return made


@dataclass(frozen=True)
class Removal:
    """All streams that shall leave one merge.

    Parameters
    ----------
    merge, draft
        The merge, and what it was made of.
    sources
        Names of the sources whose streams go.
    """

    merge: Merge
    draft: MergeBuilder
    sources: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """``source->merge`` of each stream, in the order of the merge's streams."""
        return tuple(f"{s}->{self.merge.name}" for s in self.merge.streams if s in self.sources)


def streams_of(graph: LayerGraph) -> tuple[Skip, ...]:
    """Return every stream into a merge as a Skip, the main ones too, merge by merge."""
    return tuple(
        skip
        for merge in graph.merges
        for skip in (*((merge.branch,) if merge.branch else ()), *merge.skips)
    )


def candidates(merge: Merge) -> tuple[Skip, ...]:
    """Return the streams that advice is given on.

    Those are the skip connections, and, where streams are added or multiplied, the main one, too.
    """
    is_joint = either_can_go(merge.kind) and merge.branch is not None
    return (*((merge.branch,) if is_joint and merge.branch else ()), *merge.skips)


def find_stream(graph: LayerGraph, name: StreamName) -> Skip:
    """Return the stream that a Skip or a text names.

    Raises
    ------
    ArgumentError
        If there is none, with the nearest names; or if the text means one stream by names and
        another by indices, as it can where modules are named by numbers.
    """
    if isinstance(name, Skip):
        return exact_stream(graph, name.name)
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"streams must be names such as '1->20' or Skips, got {type(name).__name__}."
        )
    wanted = name.replace("→", "->").replace(" ", "")
    names: dict[str, dict[str, Skip]] = {}
    for skip in streams_of(graph):
        for key in _names_of(skip):
            names.setdefault(key, {})[skip.name] = skip
    if wanted not in names:
        close = difflib.get_close_matches(wanted, names, 12, 0.3)
        meant = {tuple(names[key]): key for key in reversed(close)}  # each stream by its best name
        raise _no_such_stream(graph, name, list(meant.values())[::-1][:3])
    found = list(names[wanted].values())
    if len(found) > 1:
        ways = " or ".join(f"{_by_index(skip)} ({skip.name} by names)" for skip in found)
        raise ArgumentError(
            f"{name!r} means several streams of {graph.model}, by names and by indices; expected "
            f"one. Write {ways}, or pass the Skip."
        )
    return found[0]


def find_streams(graph: LayerGraph, streams: StreamName | Iterable[StreamName]) -> tuple[Skip, ...]:
    """Return the streams of one name or several, each once."""
    if isinstance(streams, (str, Skip)):
        streams = [streams]
    if not isinstance(streams, Iterable):
        raise ArgumentTypeError(
            f"streams must be a name such as '1->20', or several, got {type(streams).__name__}."
        )
    if isinstance(streams, StreamNames):
        found = [exact_stream(graph, stream) for stream in streams]
    else:
        found = [find_stream(graph, stream) for stream in streams]
    return tuple({skip.name: skip for skip in found}.values())


def exact_stream(graph: LayerGraph, name: str) -> Skip:
    """Return the stream whose :attr:`Skip.name` this is; an ArgumentError where there is none."""
    for skip in streams_of(graph):
        if skip.name == name:
            return skip
    every = [skip.name for skip in streams_of(graph)]
    raise _no_such_stream(graph, name, difflib.get_close_matches(name, every, 3, 0.3))


def _no_such_stream(graph: LayerGraph, name: str, near: Sequence[str]) -> ArgumentError:
    nearest = f" The nearest are {', '.join(near)}." if near else ""
    has_none = "" if graph.merges else " It has no merges."
    return ArgumentError(
        f"No merge of {graph.model} has a stream {name!r}.{nearest}{has_none} "
        "print(infoflow.trace(model, example)) shows all of them."
    )


def _names_of(skip: Skip) -> tuple[str, ...]:
    by_index = _by_index(skip)
    plain = by_index.replace("#", "")
    return (skip.name.replace(" ", ""), by_index, plain, plain.replace("->", "-"))


def _by_index(skip: Skip) -> str:
    """Return the name that no name of a module can be taken for."""
    merge = "output" if skip.merge_index is None else f"#{skip.merge_index}"
    source = skip.source if skip.source_index is None else f"#{skip.source_index}"
    return f"{source}->{merge}"


def removals(graph: LayerGraph, streams: StreamName | Iterable[StreamName]) -> list[Removal]:
    """Group streams by the merge that they shall leave.

    Raises
    ------
    ArgumentError
        If a stream does not exist.
    PruningError
        If nothing would be left of a merge.
    """
    chosen: dict[str, set[str]] = {}
    for skip in find_streams(graph, streams):
        chosen.setdefault(skip.merge, set()).add(skip.source)
    by_name = {merge.name: merge for merge in graph.merges}
    for merge, sources in chosen.items():
        if sources.issuperset(by_name[merge].streams):
            raise PruningError(
                f"Merge {merge} would be left without any stream; expected at least one of "
                f"{', '.join(by_name[merge].streams)} to stay."
            )
    return [
        Removal(by_name[merge], graph.anatomy.merges[merge], frozenset(sources))
        for merge, sources in chosen.items()
    ]
