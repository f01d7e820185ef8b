"""Which streams to remove, by the names that advice and graphs give them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from infoflow.graph import LayerGraph
from infoflow.graph.drafts import MergeDraft
from infoflow.interface import ArgumentError, ArgumentTypeError, Merge, PruningError, Skip

#: A stream: ``"source->merge"`` by names or by indices, or the Skip itself.
StreamName = str | Skip


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
    draft: MergeDraft
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
    is_joint = merge.kind in ("add", "mul") and merge.branch is not None
    return (*((merge.branch,) if is_joint and merge.branch else ()), *merge.skips)


def find_stream(graph: LayerGraph, name: StreamName) -> Skip:
    """Return the stream of a name; an ArgumentError shows the nearest names."""
    if isinstance(name, Skip):
        name = name.name
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"streams must be names such as '1->20' or Skips, got {type(name).__name__}."
        )
    wanted = name.replace("→", "->").replace(" ", "")
    names = {key: skip for skip in reversed(streams_of(graph)) for key in _names_of(skip)}
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.3)
        known = f"The nearest are {', '.join(near)}." if near else ""
        every = "print(infoflow.trace(model, example)) shows all of them."
        raise ArgumentError(
            f"No merge of {graph.model} has a stream {name!r}. {known or 'It has no merges.'} "
            f"{every}"
        )
    return names[wanted]


def _names_of(skip: Skip) -> tuple[str, ...]:
    merge = "output" if skip.merge_index is None else str(skip.merge_index)
    source = skip.source if skip.source_index is None else str(skip.source_index)
    return (
        *(f"{a}->{b}" for a in (source, skip.source) for b in (merge, skip.merge)),
        f"{source}-{merge}",
        skip.name.replace(" ", ""),
    )


def removals(graph: LayerGraph, streams: StreamName | Iterable[StreamName]) -> list[Removal]:
    """Group streams by the merge that they shall leave.

    Raises
    ------
    ArgumentError
        If a stream does not exist.
    PruningError
        If nothing would be left of a merge.
    """
    names: Sequence[StreamName] = (
        [streams] if isinstance(streams, (str, Skip)) else list(dict.fromkeys(streams))
    )
    chosen: dict[str, set[str]] = {}
    for name in names:
        skip = find_stream(graph, name)
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
