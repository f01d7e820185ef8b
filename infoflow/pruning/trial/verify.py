"""``infoflow.verify_pruning``: remove streams, measure what it costs, and rank the readings."""

from __future__ import annotations

import copy
import math
import random
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from infoflow.graph import LayerGraph, trace
from infoflow.interface import ArgumentError, PruningWarning
from infoflow.pruning.choice import StreamName
from infoflow.pruning.rewrite import Reset, prune
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.suggest import PruningAdvice, StreamNames
from infoflow.pruning.trial.cost import latency_ratio, peak_activation_bytes
from infoflow.pruning.trial.notebook import Notebook
from infoflow.pruning.trial.outcome import PruningTrial, TrialRow
from infoflow.pruning.trial.plan import Removing, sets_to_try, streams_to_try

#: Trains a net in place for a number of epochs, from a seed.
Train = Callable[[nn.Module, int, int], object]
#: Returns the metric of a net on held-out data.
Evaluate = Callable[[nn.Module], float]

SMALLEST_WEIGHTS = "root mean square of the weights that go with the stream"


def verify_pruning(
    model: nn.Module,
    advice: PruningAdvice | None = None,
    *,
    evaluate: Evaluate,
    train: Train | None = None,
    example: Any = None,
    streams: Iterable[StreamName] | None = None,
    tune_epochs: int = 5,
    redesign_epochs: int = 0,
    reset: Reset = True,
    seeds: Sequence[int] = (0,),
    random_choices: int = 3,
    lower_is_better: bool = False,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    progress: bool | None = None,
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
        Takes a net and returns its metric on held-out data.
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

    Returns
    -------
    PruningTrial
        With ``.rows``, ``.rankings``, ``.to_dataset()``.

    Raises
    ------
    ArgumentError
        If an example is needed, or epochs are asked for without ``train``.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(4, size=32)
    >>> def error(net):
    ...     with torch.no_grad():
    ...         return float((net(images) - masks).abs().mean())
    >>> trial = verify_pruning(
    ...     UNet(base_channels=2), evaluate=error, example=images, lower_is_better=True
    ... )
    >>> [row.name for row in trial.rows]
    ['as it is', '7→11', '5→14', '3→17', '1→20']
    """
    if train is None and redesign_epochs:
        raise ArgumentError(
            f"redesign_epochs={redesign_epochs} needs train=, a function (model, epochs, seed) "
            "that trains a net in place; got None."
        )
    graph = _graph(model, advice, example)
    lab = _Laboratory(
        model, graph, evaluate, train, reset, tune_epochs, redesign_epochs, tuple(seeds), seed
    )
    generator = random.Random(seed)
    alone = streams_to_try(graph, advice, streams, generator)
    norms = {name: lab.weights_of((name,)) for name in alone}
    norms = {name: value for name, value in norms.items() if not math.isnan(value)}
    sets = sets_to_try(graph, advice, alone, norms, generator, random_choices)
    notebook = Notebook(checkpoint, f"{graph.model}, {tune_epochs} + {redesign_epochs} epochs")
    with tqdm(total=len(sets), disable=None if progress is None else not progress) as bar:
        rows = []
        for removing in sets:
            bar.set_description(removing.name)
            rows.append(lab.try_out(removing, notebook))
            bar.update()
    readings = {} if advice is None else dict(advice.readings)
    return PruningTrial(
        model=graph.model,
        rows=tuple(rows),
        readings={**readings, SMALLEST_WEIGHTS: norms},
        lower_is_better=lower_is_better,
        tune_epochs=0 if train is None else tune_epochs,
        redesign_epochs=redesign_epochs,
        notes=_notes(graph, alone),
    )


def _graph(model: nn.Module, advice: PruningAdvice | None, example: Any) -> LayerGraph:
    if example is not None:
        return trace(model, example)
    graph = None if advice is None else advice.graph
    if graph is None or not graph.has_program or graph.source.model is not model:
        raise ArgumentError(
            "verify_pruning needs an example of the model's input, got None. Pass example=batch."
        )
    return graph


def _notes(graph: LayerGraph, alone: Sequence[str]) -> tuple[str, ...]:
    every = sum(len(merge.streams) for merge in graph.merges)
    return (f"{len(alone)} of {every} streams into merges were removed alone",)


@dataclass(frozen=True)
class _Laboratory:
    """Makes nets without streams, trains them, and measures them."""

    model: nn.Module
    graph: LayerGraph
    evaluate: Evaluate
    train: Train | None
    reset: Reset
    tune_epochs: int
    redesign_epochs: int
    seeds: tuple[int, ...]
    seed: int

    def without(self, streams: Iterable[str], reset: Reset = False) -> PrunedModel:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PruningWarning)
            return prune(self.model, StreamNames.of(streams, self.graph), reset=reset)

    def try_out(self, removing: Removing, notebook: Notebook) -> TrialRow:
        slim = self.without(removing.streams)
        call = self.graph.source.example
        assert call is not None
        after = trace(slim, call)
        key = "+".join(removing.streams) or "whole"

        def get(what: str, measure: Callable[[], float]) -> float:
            return notebook.get(f"{key} {what}", measure)

        is_tuned = self.train is not None and self.tune_epochs > 0
        is_redesigned = self.train is not None and self.redesign_epochs > 0
        return TrialRow(
            removing.name,
            removing.kind,
            removing.streams,
            tuple(stream.how for stream in slim.pruning.streams),
            slim.pruning.parameters_after,
            slim.pruning.multiply_adds_after,
            peak_activation_bytes(after),
            get("latency", lambda: latency_ratio(slim, self.model, call)),
            get("cut", lambda: self.evaluate(slim)),
            get("tuned", lambda: self._tuned(slim)) if is_tuned else math.nan,
            tuple(
                get(f"redesign {number}", partial(self._redesigned, removing.streams, number))
                for number in (self.seeds if is_redesigned else ())
            ),
        )

    def _tuned(self, slim: PrunedModel) -> float:
        assert self.train is not None
        net = copy.deepcopy(slim)
        self.train(net, self.tune_epochs, self.seed)
        return self.evaluate(net)

    def _redesigned(self, streams: Sequence[str], number: int) -> float:
        assert self.train is not None
        torch.manual_seed(number)
        net = self.without(streams, self.reset)
        self.train(net, self.redesign_epochs, number)
        return self.evaluate(net)

    def weights_of(self, streams: Sequence[str]) -> float:
        """Return the root mean square of the weights that go with streams; NaN where none do."""
        slim = self.without(streams)
        kept: Mapping[str, torch.Tensor] = dict(slim.named_parameters())
        used = dict(self.without(()).named_parameters())
        squares, count = 0.0, 0
        for name, weight in self.model.named_parameters():
            if weight.ndim < 2 or name not in used:
                continue
            left = kept.get(name)
            squares += float(weight.detach().double().square().sum())
            count += weight.numel()
            if left is not None:
                squares -= float(left.detach().double().square().sum())
                count -= left.numel()
        return math.sqrt(max(squares, 0.0) / count) if count else math.nan
