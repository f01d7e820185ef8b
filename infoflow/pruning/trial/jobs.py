"""The trainings of a trial, one by one, for workers that know nothing of the others."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import fields
from functools import lru_cache

from infoflow.graph import trace
from infoflow.pruning.trial.executors import packed, spread
from infoflow.pruning.trial.result_cache import ResultCache
from infoflow.pruning.trial.runner import TrialRunner
from infoflow.pruning.trial.trial_sets import Removing


def measure_elsewhere(
    lab: TrialRunner, sets: Sequence[Removing], notebook: ResultCache, executor: Executor
) -> None:
    """Let an executor measure what the notebook lacks of a trial's metrics."""
    jobs = {
        name: job
        for removing in sets
        for name, job in lab.jobs(removing).items()
        if name not in notebook
    }
    if not jobs:
        return
    call = lab.graph.source.example
    parts = {field.name: getattr(lab, field.name) for field in fields(lab) if field.name != "graph"}
    sent = packed("train", **parts, example=call)
    spread(
        executor,
        measure_one,
        {name: (sent, *job) for name, job in jobs.items()},
        notebook.put,
        notebook.kept,
    )


def measure_one(sent: bytes, stage: str, streams: tuple[str, ...], number: int) -> float:
    """Return one metric, in a worker."""
    return _lab(sent).metric_of(stage, streams, number)


@lru_cache(maxsize=1)
def _lab(sent: bytes) -> TrialRunner:
    parts = pickle.loads(sent)
    call = parts.pop("example")
    return TrialRunner(graph=trace(parts["model"], call), **parts)
