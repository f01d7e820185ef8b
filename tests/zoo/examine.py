"""Examine one model: all checks, one after the other, each reported as soon as it is known."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import torch

import infoflow
from infoflow.graph.layer_graph import LayerGraph
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import InfoflowError
from tests.zoo import checks
from tests.zoo.entry import CannotRunError, Entry, Subject, copied, one_line, prepare
from tests.zoo.witness import NoWitnessError, count_merges, without_cache

#: Samples that ``analyze`` sees, in batches of this many.
SAMPLES, BATCH = 64, 8
#: Seconds that one forward pass over them may take.
SLOWEST = 60


def examine(
    entry: Entry, *, analyze: bool, timing: bool = True, brief: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the parts of a model's record."""
    yield {"key": entry.key, "library": entry.library, "name": entry.name}
    yield {"category": entry.category, "status": "unfinished"}
    try:
        subject = prepare(entry)
    except CannotRunError as error:
        yield {"status": "cannot run", "reason": str(error)}
        return
    yield {"parameters": sum(p.numel() for p in subject.model.parameters())}
    graph, found = checks.trace(subject)
    yield found
    if graph is not None and not brief:
        yield from _checked(subject, graph)
        if entry.usual is not None and timing:
            make = entry.usual(subject.model)
            yield _guarded("usual", lambda: checks.cost(subject.model, make))
        if analyze:
            seconds = found["forward_seconds"] / 2 * SAMPLES
            yield _guarded("analyze", lambda: _analyze(subject, seconds))
    del graph
    gc.collect()


def _checked(subject: Subject, graph: LayerGraph) -> Iterator[dict[str, Any]]:
    yield _guarded("replay", lambda: checks.replay(subject, graph))
    yield _guarded("hooks", lambda: checks.hooks(subject, graph))
    yield _guarded("witness", lambda: _witness(subject, graph))


def _guarded(name: str, check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a check says; where it stops itself, that."""
    try:
        return check()
    except Exception as error:
        return {name: {"error": one_line(error, 240)}}


def _witness(subject: Subject, graph: LayerGraph) -> dict[str, Any]:
    """(d) Count merges on the exported graph, and those of ours that it can have."""
    arguments = subject.arguments()
    with without_cache(subject.model) as had_cache:
        args, kwargs = copied(arguments)
        try:
            kinds = count_merges(subject.model, args, kwargs)
        except NoWitnessError as error:
            return {"witness": {"error": str(error)}}
        if had_cache:
            graph = infoflow.trace(subject.model, *copied(arguments))
    alive = checks.alive(graph)
    return {
        "witness": {
            "merges": kinds.total(),
            "kinds": dict(sorted(kinds.items())),
            "ours": checks.kinds_of(alive),
            "dead": len(graph.merges) - len(alive),
            "without cache": had_cache,
        }
    }


def _analyze(subject: Subject, seconds: float) -> dict[str, Any]:
    """(e) Measure every layer on random inputs, where these take no longer than they may."""
    if seconds > SLOWEST:
        return {"analyze": f"not tried: {SAMPLES} samples take {seconds:.0f} s in a forward pass"}
    batches = [subject.arguments(BATCH, seed) for seed in range(SAMPLES // BATCH)]
    torch.manual_seed(0)
    try:
        result = infoflow.analyze(
            subject.model,
            batches,
            target="none",
            memory_budget="2GB",
            progress=False,
            unpack=lambda batch: (Arguments(*copied(batch)), None),
        )
    except InfoflowError as error:
        return {"analyze": one_line(error, 300)}
    return {"analyze": "ok", "measured": int(result.ixm.sizes["layer"])}
