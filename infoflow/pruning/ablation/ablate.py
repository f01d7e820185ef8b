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

    Each stream is silenced as ``prune(mode="cut")`` leaves it out, and the rise of the loss is
    measured on the same samples: as it is, and after what is left was mended in closed form. Then
    sets of streams are measured together, nested, up to the tolerance. Where ``torch.distributed``
    has several processes, all of them make this call: each measures single streams of its own, and
    all get the same result.

    Parameters
    ----------
    model
        Any module that :func:`infoflow.trace` can replay; left as it is. Where a replay takes
        one number of samples only, samples run one by one; where the path depends on values, it
        must be the same for all of them.
    held_out
        Iterable of batches that can be read more than once, with targets, of samples that the net
        was not trained on.
    calibrate
        The same, of other samples that mend; targets are not needed, and training data will do.
        Without it, 40 % of the held-out samples mend.
    metric
        Also measure ``"accuracy"``, ``"dice"``, ``"iou"``, ``"psnr"``, a function of the net that
        returns a number, or one of (output, target) that returns a number for each sample. A net
        that loses too much of it is not called prunable, whatever its bits.
    loss
        ``"auto"`` guesses from outputs and targets; or ``"cross_entropy"``, ``"binary"``,
        ``"next_token"``, ``"masked"``, ``"regression"``, ``"model"`` (its own); a
        loss of ``torch.nn`` such as ``CrossEntropyLoss``, whose ``ignore_index`` counts; or a
        function from (output, target) to nats, (B,).
    streams
        ``"all"`` skip connections, and main streams of sums and gates; or names, or Skips. Of more
        than 64 that are not named, one backward pass ranks all, and only those that seem to matter
        least are measured.
    mend
        What refits the layers behind a cut: ``"reader"`` those that read the merge, ``"cascade"``
        all of them in order; ``"auto"`` takes what loses least of both and the plain cut, on
        samples that do not judge; once a net loses less than a tenth of the tolerance, no other is
        tried. None mends nothing.
    sets
        ``"frontier"`` measures nested sets; ``"all"`` also every set of at most 12 streams as it
        is, for exact Shapley shares; None measures single streams only.
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
        What values that are kept for several nets may use, in bytes or as ``"2GB"``.
    seed
        Of the parts that samples are divided into, and of the passes over the loaders.
    path
        A journal: a run that was stopped goes on where it was.
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
    No sample that mended or chose judges; all of them judge where nothing is mended or chosen
    (``mend=None, sets=None``). A verdict rests on 95 % intervals of paired differences:
    *prune* where their upper ends are below the tolerance, *keep* where the lower ones are above
    it, else *cannot tell*. What only was ranked gets no verdict, nor does a net that is not shown
    to predict better than a constant.

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
