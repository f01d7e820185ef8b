"""From the caller's arguments to what an ablation is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.traced_model import check_plain
from infoflow.capture.unpack import Unpack
from infoflow.graph import LayerGraph
from infoflow.graph.running.checks import output_of
from infoflow.graph.running.comparison import are_close
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.ranks import ALONE, Ranks
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, ArgumentTypeError, PruningError, Skip, TargetError
from infoflow.interface.argument_checks import did_you_mean, shown
from infoflow.pruning.ablation.bench import Bench
from infoflow.pruning.ablation.heldout import divide, scan
from infoflow.pruning.ablation.loss_kinds import CHOICES, KINDS
from infoflow.pruning.ablation.losses import SampleLoss, resolve_loss
from infoflow.pruning.ablation.metrics import NAMES, Metric, resolve_metric
from infoflow.pruning.ablation.replaying import replayable
from infoflow.pruning.choice import StreamName, candidates, find_streams
from infoflow.pruning.mending.calibration import check_alike
from infoflow.pruning.variants import observe

#: What ``loss=`` and ``metric=`` take.
LossChoice = str | SampleLoss | Callable[..., Any]
MetricChoice = str | Metric | Callable[..., Any] | None


@dataclass(frozen=True)
class Choices:
    """What :func:`infoflow.ablate` was asked to measure with; see there."""

    calibrate: Iterable[Any] | None
    metric: MetricChoice
    loss: LossChoice
    mends: bool
    unpack: Unpack | None
    tracing: TracingOptions
    budget: int
    seed: int
    ranks: Ranks = ALONE


def open_bench(
    model: nn.Module, held_out: Iterable[Any], choices: Choices, place: torch.device
) -> tuple[Bench, Samples | None]:
    """Return what the ablation is of, and the samples that mend where others do.

    In evaluation mode, without gradients.

    Raises
    ------
    InfoflowError
        If the samples are too few or differ from pass to pass, the net cannot be replayed, or the
        loss or the metric do not fit.
    """
    check_plain(model, "ablate")
    samples = _samples(held_out, model, choices, place)
    mending, given = _calibration(model, choices, place)
    if mending is not None:
        check_alike(samples.example().call, mending.example().call)
    parts = divide(samples, mends=choices.mends, calibrate=given, seed=choices.seed)
    graph, parts = replayable(model, parts, choices.tracing)
    _check_merges(graph)
    example = graph.source.example
    assert example is not None
    footprint = observe(graph.program, example)
    batch = next(iter(parts.batches(parts.measured)))
    output = output_of(graph.source.model, batch.call)
    _check_output(graph, batch.call, output)
    _check_target(samples, batch, choices.loss)
    loss = resolve_loss(
        choices.loss,
        output=output,
        target=batch.target,
        call=batch.call,
        graph=graph,
        facts=parts.facts,
    )
    metric = None
    if choices.metric is not None:
        metric = resolve_metric(choices.metric, loss=loss, target=batch.target, facts=parts.facts)
    return Bench(graph, footprint, parts, loss, metric, choices.budget), mending


def _check_target(samples: Samples, batch: Batch, loss: LossChoice) -> None:
    """Raise a TargetError where the loader gives targets that no loss of ours can read."""
    target = batch.target
    if isinstance(loss, str) and loss != "model" and target is None and samples.odd_target:
        raise TargetError(
            f"ablate needs one target for each sample, a tensor; the loader's are "
            f"{samples.odd_target}. Let unpack= return the one that the net predicts, or pass "
            "loss='model' for a model that returns its loss."
        )
    if isinstance(loss, str) and target is not None and bool(torch.isnan(target).any()):
        raise TargetError(
            "Held-out targets must be numbers, got NaN. Leave these samples out, or put a number "
            "there that means 'not labelled', such as -100."
        )


def _check_merges(graph: LayerGraph) -> None:
    if not graph.merges:
        raise ArgumentError(
            f"{graph.model} has no merges, so there is no stream to leave out; expected a net with "
            "skip connections, residual blocks or gates. print(infoflow.trace(model, example)) "
            "shows its layers."
        )


def _check_output(graph: LayerGraph, call: Any, output: Any) -> None:
    """Raise where the program gives something else than the model on held-out samples."""
    replayed = None
    for pair in graph.program.run(call):
        replayed = pair[1]
    if not are_close(tensors_in(replayed), tensors_in(output)):
        raise PruningError(
            f"{graph.model} gives something else on the held-out samples than its recording does; "
            "expected the same. Check that forward does not depend on the values of its input."
        )


def _calibration(
    model: nn.Module, choices: Choices, place: torch.device
) -> tuple[Samples | None, NDArray[np.int64] | None]:
    if not choices.mends or choices.calibrate is None:
        return None, None
    samples = _samples(choices.calibrate, model, choices, place)
    return samples, np.unique(scan(samples).checksums)


def _samples(
    loader: Iterable[Any], model: nn.Module, choices: Choices, place: torch.device
) -> Samples:
    return Samples(
        loader,
        unpack=choices.unpack,
        model=model,
        device=place,
        seed=choices.seed,
        ranks=choices.ranks,
    )


def check_names(loss: object, metric: object) -> None:
    """Raise for a loss or a metric that no name stands for, and no function, before any work."""
    for name, value, known in (("loss", loss, KINDS), ("metric", metric, NAMES)):
        if not (value is None or isinstance(value, (str, SampleLoss, Metric)) or callable(value)):
            raise ArgumentTypeError(
                f"{name} must be one of {', '.join(known)}, or a function, got {shown(value)}."
            )
    if isinstance(loss, str) and loss not in ("auto", *KINDS):
        raise ArgumentError(
            f"loss must be 'auto', {CHOICES}, got {loss!r}.{did_you_mean(loss, KINDS)}"
        )
    if isinstance(metric, str) and metric not in NAMES:
        raise ArgumentError(
            f"metric must be one of {', '.join(NAMES)}, or a function, got {metric!r}."
            f"{did_you_mean(metric, NAMES)}"
        )


def choose_streams(
    graph: LayerGraph, streams: StreamName | Iterable[StreamName]
) -> tuple[tuple[Skip, ...], bool]:
    """Return the streams to ablate, and whether the caller has named them."""
    if isinstance(streams, str) and streams == "all":
        return tuple(stream for merge in graph.merges for stream in candidates(merge)), False
    found = find_streams(graph, streams)
    if not found:
        raise ArgumentError("streams must be 'all' or name at least one stream, got none.")
    return found, True
