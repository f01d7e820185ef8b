"""Which removals are tried."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infoflow.graph import LayerGraph
from infoflow.interface import PruningError
from infoflow.pruning.choice import (
    StreamName,
    StreamNames,
    candidates,
    exact_stream,
    find_streams,
    removals,
)
from infoflow.pruning.suggest import PruningAdvice

Kind = Literal["whole", "alone", "advice", "random", "smallest weights"]

#: Up to this many streams, each is removed alone; of more, those of the advice and a sample.
EXHAUSTIVE = 12


@dataclass(frozen=True)
class Removing:
    """A set of streams to remove together.

    Parameters
    ----------
    name
        What it is called in tables.
    kind
        Why it is tried.
    streams
        ``source->merge`` of each stream; none for the net as it is.
    """

    name: str
    kind: Kind
    streams: tuple[str, ...]


def streams_to_try(
    graph: LayerGraph,
    advice: PruningAdvice | None,
    streams: StreamName | Iterable[StreamName] | None,
    generator: random.Random,
) -> tuple[str, ...]:
    """Return the streams that are removed alone."""
    if streams is not None:
        return tuple(skip.name for skip in find_streams(graph, streams))
    every = [skip.name for merge in graph.merges for skip in candidates(merge)]
    if len(every) <= EXHAUSTIVE or advice is None:
        chosen = every if len(every) <= EXHAUSTIVE else generator.sample(every, EXHAUSTIVE)
    else:
        advised = {*advice.prunable, *advice.cuttable}
        others = [name for name in every if name not in advised]
        room = max(EXHAUSTIVE - len(advised), EXHAUSTIVE // 2)
        chosen = [*advised, *generator.sample(others, min(room, len(others)))]
    return tuple(name for name in every if name in set(chosen))


def sets_to_try(
    graph: LayerGraph,
    advice: PruningAdvice | None,
    alone: Sequence[str],
    norms: Mapping[str, float],
    generator: random.Random,
    choices: int,
) -> list[Removing]:
    """Return the net as it is, each stream alone, and the sets that are compared.

    For each piece of advice on two or more streams, ``choices`` random sets of as many streams, and
    the one with the smallest weights.
    """
    found = [Removing("as it is", "whole", ())]
    labels = _labels(graph, alone)
    found += [Removing(labels[name], "alone", (name,)) for name in alone]
    if advice is None:
        return found
    for question, advised in (("redesign", advice.prunable), ("cut", advice.cuttable)):
        size = len(advised)
        if not advised:
            continue
        found.append(Removing(f"advice, {question}", "advice", tuple(advised)))
        for number in range(choices if size < len(alone) else 0):
            sampled = _possible(graph, alone, size, generator)
            if sampled:
                found.append(Removing(f"random {number + 1} of {size}", "random", sampled))
        ranked = sorted((n for n in alone if n in norms), key=norms.__getitem__)
        smallest = tuple(ranked[:size])
        is_other = len(smallest) == size and set(smallest) != set(advised)
        if is_other and _is_possible(graph, smallest):
            found.append(Removing(f"smallest weights of {size}", "smallest weights", smallest))
    return list({(one.kind, one.name, one.streams): one for one in found}.values())


def _labels(graph: LayerGraph, names: Sequence[str]) -> dict[str, str]:
    """Return what streams are called in tables: by numbers, and by names where two share these."""
    labels = {name: str(exact_stream(graph, name)) for name in names}
    counts = Counter(labels.values())
    return {
        name: label if counts[label] == 1 else f"{label} ({name})" for name, label in labels.items()
    }


def _possible(
    graph: LayerGraph, names: Sequence[str], size: int, generator: random.Random
) -> tuple[str, ...]:
    """Return a random set that leaves every merge a stream; empty where none was found."""
    for _ in range(20):
        chosen = tuple(generator.sample(list(names), size))
        if _is_possible(graph, chosen):
            return chosen
    return ()


def _is_possible(graph: LayerGraph, names: Iterable[str]) -> bool:
    try:
        removals(graph, StreamNames.of(names, graph))
    except PruningError:
        return False
    return True
