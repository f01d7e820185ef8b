"""``infoflow.compare_nets``: what another net loses beside the whole one, on held-out samples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import nn

from infoflow.capture.batches import Samples
from infoflow.capture.traced_model import check_plain
from infoflow.capture.unpack import Unpack
from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.checks import output_of
from infoflow.graph.running.model_state import countable_attention, evaluation_mode
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.interface import ArgumentError, InfoflowError
from infoflow.interface.net_parts import total
from infoflow.pruning.ablation.bench import Bench, Scores
from infoflow.pruning.ablation.heldout import HeldOut, scan
from infoflow.pruning.ablation.judging import Judge, decide
from infoflow.pruning.ablation.known import known_bits
from infoflow.pruning.ablation.losses import resolve_loss
from infoflow.pruning.ablation.measuring import rules_of, whole_metric
from infoflow.pruning.ablation.metrics import resolve_metric
from infoflow.pruning.ablation.opening import LossChoice, MetricChoice
from infoflow.pruning.ablation.splitting import Parts
from infoflow.pruning.ablation.tolerance import Tolerance
from infoflow.pruning.trial.cost import latency_interval
from infoflow.pruning.variants import observe
from infoflow.pruning.verification.net_comparison import Compared, NetComparison, comparison_of

_NOTHING = np.empty(0, np.int64)


def compare_nets(
    whole: nn.Module,
    other: nn.Module,
    held_out: Iterable[Any],
    *,
    metric: MetricChoice = None,
    loss: LossChoice = "auto",
    tolerance: float | Tolerance | None = None,
    unpack: Unpack | None = None,
    device: str | None = None,
    seed: int = 0,
) -> NetComparison:
    """Measure what a smaller net loses beside the whole one, sample by sample.

    For a net that was pruned, mended or tuned, on samples that were used for none of it.

    Parameters
    ----------
    whole, other
        The net as it was, and the one that is to take its place; both are left as they are.
    held_out
        Iterable of batches with targets, at least 64 samples, that can be read more than once.
    metric, loss, tolerance, unpack
        As for :func:`infoflow.ablate`.
    device
        Where to measure; None for where the whole net is.
    seed
        Of the passes over the loader.

    Returns
    -------
    NetComparison
        ``print`` shows it; ``.bits`` is the rise of the loss with its interval, ``.verdict`` is
        "within tolerance", "beyond tolerance" or "cannot tell".

    Raises
    ------
    InfoflowError
        If the samples are fewer than 64 or have no usable target, the loss cannot be guessed, or
        one of the nets does not run on them.

    Notes
    -----
    The interval is of paired differences on the same samples, at 95 %. Time is the median
    ratio of 15 pairs of forward passes of the first batch, with its interval.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> data = torch.utils.data.TensorDataset(*blob_images(64, size=16))
    >>> loader, net = torch.utils.data.DataLoader(data, batch_size=32), UNet(base_channels=2)
    >>> slim = infoflow.prune(net, "7->11", torch.zeros(1, 3, 16, 16))
    >>> found = compare_nets(net, slim, loader)
    >>> found.samples, found.parameters[0] > found.parameters[1]
    (64, True)
    """
    allowed = Tolerance.of(tolerance)
    for net in (whole, other):
        check_plain(net, "compare_nets")
    with undisturbed(whole, held_out, device) as place, countable_attention():
        samples = Samples(held_out, unpack=unpack, model=whole, device=place, seed=seed)
        bench = _bench(whole, samples, metric, loss)
        with undisturbed(other, held_out, place.type if device is None else device):
            return _compared(bench, other, allowed)


def _bench(whole: nn.Module, samples: Samples, metric: MetricChoice, loss: LossChoice) -> Bench:
    """Return what is measured: all samples judge."""
    seen = scan(samples)
    rows = np.arange(len(seen.checksums))
    parts = HeldOut(
        *(samples, seen.checksums, Parts(_NOTHING, _NOTHING, rows)),
        classes=seen.classes,
        facts=seen.facts,
    )
    graph = trace(whole, samples.example().call)
    batch = next(iter(parts.batches(rows)))
    output = output_of(whole, batch.call)
    chosen = resolve_loss(
        loss,
        output=output,
        target=batch.target,
        call=batch.call,
        graph=graph,
        facts=seen.facts,
    )
    measured = None
    if metric is not None:
        measured = resolve_metric(metric, loss=chosen, target=batch.target, facts=seen.facts)
    example = graph.source.example
    assert example is not None
    return Bench(graph, observe(graph.program, example), parts, chosen, measured, 0)


def _compared(bench: Bench, other: nn.Module, allowed: Tolerance) -> NetComparison:
    rows = bench.held_out.parts.judge
    scores = bench.score(bench.model, rows, _ignored)
    metric = whole_metric(bench, scores)
    judge = Judge(bench, scores, metric, allowed.largest_rise)
    of_net = bench.metric is not None and bench.metric.of == "net"
    judged = judge.judge(
        _scores(bench, other), bench.metric.of_net(other) if of_net and bench.metric else math.nan
    )
    rules = rules_of(judge.whole, metric, known_bits(bench, judge.whole), bench, allowed)
    call = next(iter(bench.held_out.batches(rows))).call
    found = Compared(
        (bench.graph.model, type(other).__name__),
        scores.mean_bits,
        judged,
        decide(judged, rules),
        rules,
        (_parameters(bench.model), _parameters(other)),
        (_multiply_adds(bench.graph), _multiply_adds(_graph(other, call))),
        latency_interval(other, bench.model, call),
    )
    return comparison_of(found, bench)


def _scores(bench: Bench, other: nn.Module) -> Scores:
    try:
        with evaluation_mode(other):
            return bench.score(other, bench.held_out.parts.judge, _ignored)
    except InfoflowError:
        raise
    except Exception as error:
        raise ArgumentError(
            f"{type(other).__name__} does not run on the held-out samples, or its output has "
            f"another form than the whole net's ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no message'}). Pass two nets for the "
            "same task."
        ) from error


def _graph(net: nn.Module, call: Arguments) -> LayerGraph | None:
    try:
        return trace(net, call.select(slice(0, 2)))
    except InfoflowError:
        return None  # its multiply-adds are not known


def _parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _multiply_adds(graph: LayerGraph | None) -> float:
    found = None if graph is None else total(layer.multiply_adds for layer in graph)
    return math.nan if found is None else float(found)


def _ignored(share: float) -> None:
    """Take what a progress bar would show."""
