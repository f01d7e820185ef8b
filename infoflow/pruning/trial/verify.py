"""``infoflow.verify_pruning``: remove streams, measure what it costs, and rank the readings."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from infoflow.graph import LayerGraph, trace
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import (
    function_of,
    is_flag,
    seed_number,
    shown,
)
from infoflow.pruning.choice import StreamName, candidates
from infoflow.pruning.graph_to_prune import is_graph_of
from infoflow.pruning.rewriting.reset import Reset, check_reset
from infoflow.pruning.suggest import PruningAdvice
from infoflow.pruning.trial.executors import check_executor
from infoflow.pruning.trial.jobs import measure_elsewhere
from infoflow.pruning.trial.outcome import PruningTrial, trial_of
from infoflow.pruning.trial.result_cache import ResultCache
from infoflow.pruning.trial.runner import Evaluate, Train, TrialRunner
from infoflow.pruning.trial.trial_sets import sets_to_try, streams_to_try

SMALLEST_WEIGHTS = "root mean square of the weights that go with the stream"


def verify_pruning(
    model: nn.Module,
    advice: PruningAdvice | None = None,
    *,
    evaluate: Evaluate,
    train: Train | None = None,
    example: Any = None,
    streams: StreamName | Iterable[StreamName] | None = None,
    tune_epochs: int = 5,
    redesign_epochs: int = 0,
    reset: Reset = True,
    seeds: Sequence[int] = (0,),
    random_choices: int = 3,
    lower_is_better: bool = False,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    progress: bool | None = None,
    executor: Executor | None = None,
) -> PruningTrial:
    """Remove streams from a net and measure what that costs, at once and after training.

    Each stream is removed alone (all of them where there are at most 12; else those of the advice
    and a random sample), and the advised ones together, beside as many random ones and the ones
    with the smallest weights. The readings of the advice are then ranked by how well they foretell
    the damage.

    Parameters
    ----------
    model
        A trained net; left as it is.
    advice
        From :func:`infoflow.suggest_pruning`. None tries single streams only, with the size of
        their weights as the only reading.
    evaluate
        Takes a net and returns its metric on held-out data, one number. It gets copies.
    train
        Takes a net, a number of epochs and a seed, and trains the net in place. None measures cuts
        at once only.
    example
        A batch of inputs; not needed with advice on a result that was measured on this very model.
    streams
        The streams to remove alone, instead of those above.
    tune_epochs
        Epochs of fine-tuning after a cut, the question *cut*. The whole net is tuned as long.
    redesign_epochs
        Epochs from scratch without the stream, the question *redesign*; 0 leaves it out.
    reset
        How a net gets new weights for that, as for :func:`infoflow.prune`.
    seeds
        Seeds of the trainings from scratch.
    random_choices
        Random sets for each piece of advice.
    lower_is_better
        Whether the metric is a loss.
    checkpoint
        A JSON file that keeps every number as it comes: a trial that was stopped goes on there.
    seed
        Seed of random choices and of fine-tuning.
    progress
        Whether to show a progress bar; None shows it on a terminal.
    executor
        Where to train and judge: any executor of :mod:`concurrent.futures`, such as a
        ``ProcessPoolExecutor`` whose processes are spawned, or dask's ``client.get_executor()``.
        None does all here. Latency is always measured here.

    Returns
    -------
    PruningTrial
        With ``.rows``, ``.rankings``, ``.dataset``.

    Raises
    ------
    ArgumentError
        If an example is needed, epochs are asked for without ``train``, ``evaluate`` returns no
        number for the whole net, the checkpoint is of another net or of other settings, or
        something cannot be sent to the executor's processes.
    InfoflowError
        If a worker dies.
    PruningError
        If a net cannot be pruned or reset.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(4, size=16)
    >>> def error(net):
    ...     with torch.no_grad():
    ...         return float((net(images) - masks).abs().mean())
    >>> trial = verify_pruning(
    ...     UNet(base_channels=2), evaluate=error, example=images, streams="1->20",
    ...     lower_is_better=True,
    ... )
    >>> [row.name for row in trial.rows]
    ['as it is', '1→20']
    """
    function_of("evaluate", evaluate, 1, "evaluate(net), which returns a number")
    _check(advice, train, tune_epochs, redesign_epochs, seeds, random_choices)
    seed = seed_number(seed)
    is_flag("lower_is_better", lower_is_better)
    is_flag("progress", progress, or_none=True)
    check_reset(reset)
    check_executor(executor)
    graph = _graph(model, advice, example)
    lab = TrialRunner(
        model, graph, evaluate, train, reset, tune_epochs, redesign_epochs, tuple(seeds), seed
    )
    notebook = ResultCache(checkpoint, lab.setting())
    if redesign_epochs:
        with torch.random.fork_rng():
            lab.without((), reset)  # a net that cannot be reset is refused before all else
    generator = random.Random(seed)
    alone = streams_to_try(graph, advice, streams, generator)
    norms = {name: lab.weights_of((name,)) for name in alone}
    norms = {name: value for name, value in norms.items() if not math.isnan(value)}
    sets = sets_to_try(graph, advice, alone, norms, generator, random_choices)
    if executor is not None:
        measure_elsewhere(lab, sets, notebook, executor)
    with tqdm(total=len(sets), disable=None if progress is None else not progress) as bar:
        rows = []
        for removing in sets:
            bar.set_description(removing.name)
            rows.append(lab.try_out(removing, notebook))
            bar.update()
    readings = {} if advice is None else dict(advice.readings)
    return trial_of(
        rows,
        model=graph.model,
        readings={**readings, SMALLEST_WEIGHTS: norms},
        lower_is_better=lower_is_better,
        tune_epochs=0 if train is None else tune_epochs,
        redesign_epochs=redesign_epochs,
        notes=_notes(graph, alone),
    )


def _check(
    advice: object,
    train: Train | None,
    tune_epochs: int,
    redesign_epochs: int,
    seeds: Any,
    random_choices: int,
) -> None:
    """Raise an ArgumentError for settings that cannot be meant."""
    if advice is not None and not isinstance(advice, PruningAdvice):
        raise ArgumentTypeError(
            f"advice must be what infoflow.suggest_pruning returned, got {type(advice).__name__}. "
            "For streams of your own, pass streams=."
        )
    counts = {
        "tune_epochs": tune_epochs,
        "redesign_epochs": redesign_epochs,
        "random_choices": random_choices,
    }
    for name, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ArgumentError(f"{name} must be a whole number from 0 on, got {shown(count)}.")
    is_several = isinstance(seeds, Sequence) and not isinstance(seeds, (str, bytes))
    if not is_several or (redesign_epochs and not seeds):
        raise ArgumentError(
            f"seeds must be a sequence of whole numbers such as (0, 1), got {shown(seeds)}."
        )
    for number in seeds:
        seed_number(number, "A seed of seeds")
    if train is not None:
        function_of("train", train, 3, "train(net, epochs, seed), which trains the net in place")
    if train is None and redesign_epochs:
        raise ArgumentError(
            f"redesign_epochs={redesign_epochs} needs train=, a function (model, epochs, seed) "
            "that trains a net in place; got None."
        )


def _graph(model: nn.Module, advice: PruningAdvice | None, example: Any) -> LayerGraph:
    if example is not None:
        return trace(model, example)
    graph = None if advice is None else advice.graph
    if graph is None or not is_graph_of(graph, model):
        raise ArgumentError(
            "verify_pruning needs an example of the model's input, got None. Pass example=batch."
        )
    return graph


def _notes(graph: LayerGraph, alone: Sequence[str]) -> tuple[str, ...]:
    every = sum(len(candidates(merge)) for merge in graph.merges)
    return (f"{len(alone)} of {every} streams that advice is given on were removed alone",)
