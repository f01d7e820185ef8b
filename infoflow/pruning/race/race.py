"""``infoflow.race``: train nets with and without streams from scratch, and compare their curves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from infoflow.capture.unpack import Unpack
from infoflow.graph.running.pytree import tensors_in
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import function_of, is_flag, is_number, real_number, shown
from infoflow.pruning.ablation.losses import SampleLoss
from infoflow.pruning.ablation.other_criteria import LossFunction
from infoflow.pruning.race.contestants import Build, Entrant, Variants, Workshop, entrants_of
from infoflow.pruning.race.outlook import Outlook, look_ahead, warn_of_late_starts
from infoflow.pruning.race.race_result import Race
from infoflow.pruning.race.race_verdicts import Evaluate, make_evaluate
from infoflow.pruning.race.running import Course, Train, check_rungs
from infoflow.pruning.race.store import NetStore
from infoflow.pruning.race.summary import summarize, yardstick
from infoflow.pruning.trial.executors import check_executor
from infoflow.pruning.trial.result_cache import ResultCache


def race(
    build: Build,
    train: Train,
    *,
    example: Any,
    variants: Variants | None = None,
    held_out: Iterable[Any] | None = None,
    evaluate: Evaluate | None = None,
    loss: str | SampleLoss | LossFunction = "auto",
    seeds: Sequence[int] = (0, 1, 2),
    rungs: Sequence[int] = (1, 2, 4, 8),
    keep: float = 0.5,
    tolerance: float | None = None,
    threshold: float | None = None,
    unpack: Unpack | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
    executor: Executor | None = None,
) -> Race:
    """Train a net with and without some of its streams from scratch, and compare how it learns.

    This answers the question *redesign*: would a net that is built without these streams get as
    far, and no later? All nets train side by side, rung by rung. After each rung the variants with
    the largest area under the learning curve are dropped (successive halving); the whole net never
    is. Every variant starts from the whole net's weights of the same seed, so differences are
    paired by seed, and the whole net's own spread over seeds is the noise floor.

    Parameters
    ----------
    build
        Returns an untrained net; called with a seed, or without where it takes none.
    train
        Takes a net, a number of epochs and a seed, and trains the net in place. It is called once
        a rung, with the epochs since the last rung and a seed of its own; an optimizer starts anew.
    example
        A batch of inputs, at least two samples.
    variants
        Streams to leave out, each alone; or a mapping from the name of a variant to its streams.
        None leaves out each skip connection alone.
    held_out
        A loader of samples that are not trained on, with targets; at least 64, or a
        PruningWarning says that nothing is known of others.
    evaluate
        In its place, a function from a net to its held-out loss in bits, smaller is better.
    loss, unpack
        As for ``infoflow.ablate``, for ``held_out``.
    seeds
        Seeds of weights and orders. One seed gives no interval, so every verdict is "cannot tell".
    rungs
        Epochs at which nets are compared, ascending; the last is a full training.
    keep
        The share of the variants that goes on after each rung; 1 drops none.
    tolerance
        The rise that does not matter, in bits. None takes 5 % of the whole net's loss at the end,
        at least 0.005 bits and at least its standard deviation over seeds.
    threshold
        The loss that counts as having learned, in bits. None takes the one at which the whole net
        has learned 90 % of what it learns in all.
    checkpoint
        A JSON file that keeps every number as it comes, with the half-trained nets in a folder
        beside it: a race that was stopped goes on there.
    progress
        Whether to show a progress bar; None shows it on a terminal.
    executor
        Where to train the nets of a rung, as for :func:`infoflow.verify_pruning`.

    Returns
    -------
    Race
        With ``.rows``, ``.conclusion``, ``.dataset`` and ``.cost`` in full trainings.

    Raises
    ------
    ArgumentError
        If an argument cannot be meant, the whole net's loss is not finite, or the checkpoint is of
        another race.
    PruningError
        If nothing would be left of a merge.

    Warns
    -----
    RaceWarning
        Before any training, for variants that are likely to start late.

    Notes
    -----
    The verdict is *prune* if the upper ends of both intervals, of the mean of the curve and of its
    end, are below the tolerance; *keep* if the lower end of one is above it. Intervals are
    Student's t over seeds: with three seeds they are wide, and "cannot tell" is frequent.

    References
    ----------
    Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
    optimization, AISTATS: successive halving.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(72, size=16)
    >>> def train(net, epochs, seed):
    ...     optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    ...     for _ in range(epochs):
    ...         torch.nn.functional.binary_cross_entropy(net(images[:8]), masks[:8]).backward()
    ...         optimizer.step()
    ...         optimizer.zero_grad()
    >>> found = race(
    ...     lambda: UNet(base_channels=2), train, example=images[:2], variants="7->11",
    ...     held_out=[(images[8:], masks[8:])], seeds=(0,), rungs=(1, 2), progress=False,
    ... )
    >>> [row.verdict for row in found.rows]  # one seed has no interval
    ['cannot tell']
    """
    epochs = check_rungs(rungs)
    if isinstance(build, nn.Module) or not callable(build):
        raise ArgumentTypeError(
            f"build must be a function from a seed to a new net, got {shown(build)}. Pass, say, "
            "lambda seed: Net()."
        )
    function_of("train", train, 3, "train(net, epochs, seed), which trains the net in place")
    if evaluate is not None:
        function_of("evaluate", evaluate, 1, "evaluate(net), which returns a loss in bits")
    is_flag("progress", progress, or_none=True)
    check_executor(executor)
    _check(seeds, keep, tolerance, threshold)
    workshop = Workshop(build, example)
    graph = workshop.graph(seeds[0])
    entrants = entrants_of(graph, variants)
    judge = make_evaluate(evaluate, held_out, loss, graph, unpack)
    cache = ResultCache(checkpoint, _setting(workshop, graph.model, seeds[0], epochs))
    nets = {(one.name, seed): workshop.net(one, seed) for one in entrants for seed in seeds}
    outlooks = {
        one.name: look_ahead(workshop, [nets[one.name, seed] for seed in seeds]) for one in entrants
    }
    warn_of_late_starts(outlooks)
    work = len(entrants) * len(seeds) * len(epochs)
    with tqdm(total=work, disable=None if progress is None else not progress) as bar:
        course = Course(
            workshop=workshop,
            train=train,
            evaluate=judge,
            entrants=entrants,
            seeds=tuple(seeds),
            epochs=epochs,
            keep=keep,
            cache=cache,
            store=NetStore(checkpoint),
            nets=nets,
            step=lambda what: _advance(bar, what),
            executor=executor,
        )
        course.run()
    return _result(course, outlooks, graph.model, tolerance, threshold)


def _advance(bar: Any, what: str) -> None:
    bar.set_description(what)
    bar.update()


def _result(
    course: Course,
    outlooks: dict[str, Outlook],
    model: str,
    tolerance: float | None,
    threshold: float | None,
) -> Race:
    return Race(summarize(course, outlooks, yardstick(course, tolerance, threshold), model))


def _check(seeds: Any, keep: Any, tolerance: Any, threshold: Any) -> None:
    if not isinstance(seeds, Sequence) or isinstance(seeds, (str, bytes)):
        raise ArgumentTypeError(
            f"seeds must be different whole numbers, such as (0, 1, 2), got {shown(seeds)}."
        )
    is_whole = all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    if not seeds or not is_whole or len(set(seeds)) != len(seeds):
        raise ArgumentError(
            f"seeds must be different whole numbers from 0 on, such as (0, 1, 2), got {seeds}."
        )
    if not is_number(keep) or not 0 < keep <= 1:
        raise ArgumentError(f"keep must be above 0 and at most 1, got {shown(keep)}. Use 0.5.")
    if tolerance is not None and not (is_number(tolerance) and tolerance > 0):
        raise ArgumentError(f"tolerance must be greater than 0 bits, got {shown(tolerance)}.")
    if threshold is not None:
        real_number("threshold", threshold, hint="It is a loss in bits.")


def _setting(
    workshop: Workshop, model: str, seed: int, epochs: tuple[int, ...]
) -> dict[str, object]:
    """Return what the numbers of a race depend on; variants and seeds may be added later."""
    return {
        "race": "infoflow.race",
        "model": model,
        "weights": _digest(workshop.net(Entrant("whole"), seed)),
        "first seed": seed,
        "rungs": list(epochs),
        "example": [list(tensor.shape) for tensor in tensors_in(workshop.example)],
    }


def _digest(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        if isinstance(tensor, Tensor):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
