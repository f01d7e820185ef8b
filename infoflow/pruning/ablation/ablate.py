"""``infoflow.ablate``: how many bits of its prediction a net loses without each stream."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from torch import nn

from infoflow.capture.budget import parse_bytes
from infoflow.capture.reading_options import ReadingOptions
from infoflow.capture.traced_model import check_plain
from infoflow.capture.unpack import Unpack
from infoflow.graph.running.model_state import countable_attention
from infoflow.graph.running.ranks import Ranks, together
from infoflow.graph.running.same_net import same_net
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, Skip
from infoflow.interface.argument_checks import file_path, one_of
from infoflow.interface.devices import check_float64
from infoflow.pruning.ablation.ablation_result import Ablation
from infoflow.pruning.ablation.assemble import dataset_of
from infoflow.pruning.ablation.bench import Bench
from infoflow.pruning.ablation.journal import Journal
from infoflow.pruning.ablation.measuring import Sets, measure
from infoflow.pruning.ablation.nets import MenderName
from infoflow.pruning.ablation.opening import (
    Choices,
    LossChoice,
    MetricChoice,
    check_names,
    choose_streams,
    open_bench,
)
from infoflow.pruning.ablation.repairing import Refit, refit_of
from infoflow.pruning.ablation.stages import FEW, Session
from infoflow.pruning.ablation.tolerance import Tolerance
from infoflow.pruning.choice import StreamName
from infoflow.results.writing import check_writable

Mend = Literal["auto", "reader", "cascade"] | None


def ablate(
    model: nn.Module,
    held_out: Iterable[Any],
    *,
    calibrate: Iterable[Any] | None = None,
    metric: MetricChoice = None,
    loss: LossChoice = "auto",
    streams: StreamName | Iterable[StreamName] = "all",
    mend: Mend = "auto",
    sets: Sets = "frontier",
    tolerance: float | Tolerance | None = None,
    unpack: Unpack | None = None,
    tracing: TracingOptions | None = None,
    device: str | None = None,
    memory_budget: int | float | str = "2GB",
    seed: int = 0,
    path: str | Path | None = None,
    progress: bool | None = None,
) -> Ablation:
    """Measure how many bits of its held-out prediction a net loses without each stream.

    The loss is measured on the same samples with and without each stream, as the net is and after
    mending: the layers that stay are refitted in closed form. Then larger and larger sets of
    streams are measured together, up to the tolerance. Under ``torch.distributed``, call this in
    every process: each measures a share of the single streams, and all get the same result.

    Parameters
    ----------
    model
        Any module that :func:`infoflow.trace` can replay; it stays as it is. If a replay takes only
        one batch size, samples run one by one. If the path depends on values, it must be the same
        for all samples.
    held_out
        Iterable of batches that can be read several times, with targets, of samples that the net
        was not trained on.
    calibrate
        The same, of other samples that mend. Training data will do, and targets are not needed.
        Without it, 40 % of the held-out samples mend.
    metric
        Also measure ``"accuracy"``, ``"dice"``, ``"iou"``, ``"psnr"``, a function of the net that
        returns a number, or one of (output, target) that returns a number for each sample. It has a
        veto: a stream that costs too much of it must stay, whatever the bits.
    loss
        ``"auto"`` guesses from outputs and targets; or ``"cross_entropy"``, ``"binary"``,
        ``"next_token"``, ``"masked"``, ``"regression"``, ``"model"`` (its own); a
        loss of ``torch.nn`` such as ``CrossEntropyLoss``, whose ``ignore_index`` counts; or a
        function from (output, target) to nats, (B,).
    streams
        ``"all"`` skip connections, and main streams of sums and gates; or names, or Skips. With
        more than 64 streams, one backward pass ranks all, and only those that seem to matter least
        are measured; name streams to measure them anyway.
    mend
        Which layers behind a cut to refit: ``"reader"`` those that read the merge, ``"cascade"``
        all in order. ``"auto"`` takes whatever loses least, the plain cut included, on samples that
        do not judge; it stops once a net loses less than a tenth of the tolerance. None mends
        nothing.
    sets
        ``"frontier"`` measures nested sets. ``"all"`` also measures every set of at most 12 streams
        without mending, for exact Shapley shares. None measures single streams only.
    tolerance
        How many bits per label, pixel or token may be lost. None takes 2.5 % of what the net knows,
        the loss of the best constant prediction less its own, and at least 0.005 bits; of a
        regression, 5 % of its mean squared error; of a loss of your own, 5 % of it. A
        :class:`infoflow.Tolerance` also says how much of the metric may be lost, and what a single
        sample can lose at most.
    unpack
        Function from a batch to ``(inputs, target)``.
    tracing
        Which modules to keep whole or to open: an :class:`infoflow.TracingOptions`.
    device
        Where to measure; None for where the model is.
    memory_budget
        Memory for values that several nets share, in bytes or as ``"2GB"``.
    seed
        Of the division of samples into parts, and of the passes over the loaders.
    path
        A journal: a run that was stopped continues from it.
    progress
        Show bars; None shows them on a terminal only.

    Returns
    -------
    Ablation
        ``print`` shows it; ``.rows``, ``.frontier()``, ``.conclusion``, ``.cuttable``.

    Raises
    ------
    InfoflowError
        If the samples are too few (64 must judge), differ from pass to pass or have no usable
        target; the loss cannot be guessed; the net cannot be replayed; a stream does not exist or
        is the only path; the journal is of another ablation.

    Notes
    -----
    Samples that mend or choose do not judge; all of them judge if nothing is mended or chosen
    (``mend=None, sets=None``). A verdict rests on the 95 % interval of paired differences: *prune*
    if its upper end is below the tolerance, *keep* if its lower end is above, else *cannot tell*.
    Streams that were only ranked get no verdict. Neither does a net that is not shown to predict
    better than a constant.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> data = torch.utils.data.TensorDataset(*blob_images(96, size=16))
    >>> held_out = torch.utils.data.DataLoader(data, batch_size=32)
    >>> found = ablate(
    ...     UNet(base_channels=2), held_out, streams=["7->11", "1->20"], sets=None, mend=None,
    ...     progress=False,
    ... )
    >>> [(str(row.skip), row.status) for row in found.rows][-1]
    ('1→20', 'measured')
    >>> found.dataset["bits"].dims
    ('stream', 'net')
    """
    _check(mend, sets, calibrate)
    check_plain(model, "ablate")
    check_names(loss, metric)
    if path is not None and not file_path("path", path).exists():
        check_writable(file_path("path", path), "the measured numbers", ArgumentError)
    seed = ReadingOptions(unpack, seed, device, memory_budget, progress).seed
    allowed = Tolerance.of(tolerance)
    with ExitStack() as stack:
        ranks = stack.enter_context(together("ablate"))
        choices = Choices(
            *(calibrate, metric, loss, mend is not None, unpack, TracingOptions.of(tracing)),
            *(parse_bytes(memory_budget), seed, ranks),
        )
        place = stack.enter_context(undisturbed(model, held_out, device))
        stack.enter_context(same_net(model, ranks))
        stack.enter_context(countable_attention())
        check_float64(place, "ablate")
        bench, mending = open_bench(model, held_out, choices, place)
        chosen, is_named = choose_streams(bench.graph, streams)
        if mend is None and sets is None and (is_named or len(chosen) <= FEW):
            bench = bench.without_choosing()
        refit = refit_of(bench, mending, seed) if mend is not None else None
        session = _session(bench, chosen, refit, is_named, mend, path, progress, seed, ranks)
        dataset = ranks.first("result", dataset_of(measure(session, allowed, refit, sets)))
    return Ablation(dataset, bench.graph)


def _check(mend: object, sets: object, calibrate: object) -> None:
    for name, value, known in (
        ("mend", mend, ("auto", "reader", "cascade", None)),
        ("sets", sets, ("frontier", "all", None)),
    ):
        one_of(name, value, known)
    if mend is None and calibrate is not None:
        raise ArgumentError(
            "calibrate= mends, but mend is None. Pass mend='auto', 'reader' or 'cascade', or leave "
            "calibrate= out."
        )


def _menders(mend: Mend) -> tuple[MenderName, ...]:
    if mend is None:
        return ()
    return ("reader", "cascade") if mend == "auto" else (mend,)


def _session(
    bench: Bench,
    chosen: tuple[Skip, ...],
    refit: Refit | None,
    is_named: bool,
    mend: Mend,
    path: str | Path | None,
    progress: bool | None,
    seed: int,
    ranks: Ranks,
) -> Session:
    setting = {
        **bench.setting(),
        "streams": [stream.name for stream in chosen],
        "mend": "none" if mend is None else mend,
        "mending samples": "none" if refit is None else refit.fingerprint,
        "seed": seed,
    }
    ranks.agree(setting)
    journal = Journal(path if ranks.is_first else None, setting)
    journal.add_all(ranks.first("journal", journal.entries))
    shows = progress if ranks.is_first else False
    return Session(bench, chosen, is_named, _menders(mend), refit, journal, shows, seed, ranks)
