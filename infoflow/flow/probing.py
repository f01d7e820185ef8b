"""``infoflow.probe``: how well a linear read-out of each layer solves the task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from infoflow.capture.batches import Samples
from infoflow.capture.labels import RawClasses, TargetLike, raw_classes
from infoflow.capture.reading_options import ReadingOptions
from infoflow.capture.session import Session, open_session
from infoflow.capture.targets import ClassLabels
from infoflow.capture.unpack import Unpack
from infoflow.estimators.linear import Decision, LinearReadout
from infoflow.estimators.probe_features import class_maps, class_numbers
from infoflow.estimators.probe_task import ProbeTask, ask
from infoflow.estimators.scores import check_metrics
from infoflow.estimators.void import USUAL_VOID, IgnoreIndex, labelled_somewhere
from infoflow.flow.probe_result import ProbeResult, result_of
from infoflow.flow.readouts import Judges, Task, fit_readouts, groups, judge, readable
from infoflow.graph.reduce import Reduce
from infoflow.graph.selection import LayerChoice, named_layers
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, Layer, TargetError
from infoflow.interface.argument_checks import one_of

#: A fold that no sample is in: what is fitted without it is fitted on all samples.
_NO_FOLD = 1


def probe(
    model: nn.Module,
    loader: Iterable[Any],
    metrics: Sequence[str] | None = None,
    *,
    target: TargetLike = "auto",
    evaluate: Iterable[Any] | None = None,
    layers: LayerChoice = "all",
    folds: int = 5,
    pixels: int = 64,
    decision: Decision = "likely",
    reduce: Reduce = "flatten",
    tracing: TracingOptions | None = None,
    unpack: Unpack | None = None,
    seed: int = 0,
    device: str | None = None,
    memory_budget: int | float | str = "2GB",
    progress: bool | None = None,
) -> ProbeResult:
    """Fit a linear read-out of every layer, and tell how well it does on samples it has not seen.

    Of maps of classes, such as masks, the read-out is a 1×1 convolution of the layer's own map,
    brought to the target's size by the nearest neighbour; of labels, logistic regression on the
    mean over a layer's positions. Both are fitted by scikit-learn's ``LogisticRegression`` on
    standardised features; the penalty is the one that does best on a fifth of the samples that may
    be seen. Where none gains more than a standard error there, the read-out is the most frequent
    class.

    Parameters
    ----------
    model, loader
        A net, and batches with targets; both are left as they were.
    metrics
        ``"dice"``, ``"iou"`` and ``"accuracy"``, all from 0 to 1; None takes Dice and IoU for maps
        and accuracy for labels, where it is the only one. A sample's Dice and IoU are means over
        the classes in it but for the first, the background.
    target
        Y. ``"auto"`` takes what the loader gives: (N,) classes, or maps of classes (N, H, W) or
        (N, 1, H, W). Or anything that :func:`infoflow.analyze` takes that makes classes.
    evaluate
        Loader of held-out samples to judge on; all of ``loader`` is then fitted. None cuts the
        samples of ``loader`` into folds, each judged by a read-out of the others.
    layers
        ``"all"``, ``"merges"``, or names, patterns and indices.
    folds
        Number of folds, at least 2, without ``evaluate``.
    pixels
        Random pixels of each sample that are fitted, where Y is a map. All pixels are judged.
    decision
        Which class a read-out names: ``"likely"``, the most probable one, or ``"balanced"``, the
        one whose probability divided by its share in training is largest. Where most of the target
        is background, background may be most probable everywhere, with a Dice of 0, even for a
        layer that tells objects. ``"balanced"`` finds them, with more false alarms.
    reduce, tracing, unpack, device, progress
        As for :func:`infoflow.analyze`.
    memory_budget
        For the features that are fitted, 4 bytes × samples × pixels × channels for each layer and
        7 times that for the layer that is being fitted, in bytes or as ``"2GB"``. Layers are taken
        in groups that fit, each with two passes over the samples: one gathers features, the other
        judges batch by batch. No layer's whole activations are ever kept. The targets are kept.
    seed
        Seed of folds, pixels, and every pass.

    Returns
    -------
    ProbeResult
        ``print`` shows a table; ``.dataset`` has an array for each metric.

    Raises
    ------
    ArgumentError
        For an unknown metric or decision, or a metric of maps where Y is a label.
    TargetError
        If there is no target, it holds no classes or one only, or ``evaluate`` has others.
    ActivationError
        For layers without a row per sample, without maps where the target is a map, or with values
        that are not finite.
    MemoryBudgetError
        If the budget does not hold the fit of a single layer.

    Notes
    -----
    A layer's map is taken to cover the same field as the target. Layers of a net without padding
    cover another, so they are read with a shift. :func:`infoflow.usable_streams` tells in bits, and
    without a decision, what the streams into a merge know.

    References
    ----------
    .. [1] G. Alain and Y. Bengio, "Understanding intermediate layers using linear classifier
       probes", ICLR workshop 2017.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(16, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=8)
    >>> found = probe(UNet(base_channels=4), loader, layers=[0, 22], folds=2, progress=False)
    >>> found.layers, found.metrics
    (['encoder.0.0', 'output'], ('dice', 'iou'))
    """
    reading = ReadingOptions(unpack, seed, device, memory_budget, progress)
    seed = reading.seed
    check_metrics(metrics, is_dense=True)
    one_of("decision", decision, get_args(Decision))
    with open_session(
        model, loader, reading, tracing=tracing, reduce=reduce, caller="probe"
    ) as session:
        chosen = session.layers(layers)
        raw = raw_classes(target, session.graph, session.samples, session.example, caller="probe")
        void = raw.ignore_index
        if evaluate is None:
            question = ask(raw.values, folds=folds, pixels=pixels, seed=seed, ignore_index=void)
            judges = Judges(session.samples, class_numbers(*raw)[1], question.fold)
            return _judged(session, chosen, layers, question, judges, metrics, decision)
        question = _of_all(ask(raw.values, folds=2, pixels=pixels, seed=seed, ignore_index=void))
        with session.beside(evaluate) as held_out:
            judges = _held_out(held_out, session.samples, raw, target)
            return _judged(session, chosen, layers, question, judges, metrics, decision)


def _judged(
    session: Session,
    chosen: Sequence[Layer],
    choice: LayerChoice,
    question: ProbeTask,
    judges: Judges,
    metrics: Sequence[str] | None,
    decision: Decision,
) -> ProbeResult:
    """Fit a read-out of each layer without each fold that is judged, and judge it there."""
    graph, is_dense = session.graph, question.places is not None
    names = check_metrics(metrics, is_dense=is_dense)
    kept = readable(graph, chosen, named_layers(graph, choice), is_dense=is_dense)
    folds = [_NO_FOLD] if judges.samples is not session.samples else range(question.folds)
    task = Task(graph, kept, session.samples, question, judges, folds, decision)
    return result_of(task, names, *_run(task, session.reading))


def _run(
    task: Task, reading: ReadingOptions
) -> tuple[dict[str, Tensor], dict[str, list[LinearReadout]]]:
    """Fit and judge group by group, with a bar of the fits."""
    overlaps: dict[str, Tensor] = {}
    readouts: dict[str, list[LinearReadout]] = {}
    cut = groups(task, reading.budget)
    total = len(task.layers) * len(task.folds)
    with reading.bar(total, "fitting read-outs", "fit") as bar:
        for group in cut:
            found = fit_readouts(task, group, bar.update)
            overlaps |= judge(task, group, found)
            readouts |= found
    return overlaps, readouts


def _of_all(question: ProbeTask) -> ProbeTask:
    """Return the question without folds: all samples may be seen by the one read-out."""
    return replace(question, fold=torch.zeros_like(question.fold))


def _held_out(held_out: Samples, known: Samples, seen: RawClasses, target: TargetLike) -> Judges:
    """Return the samples to judge on, with the numbers that training gave their classes."""
    values, classes = class_numbers(*seen)
    if not isinstance(target, ClassLabels) and not (isinstance(target, str) and target == "auto"):
        raise ArgumentError(
            "evaluate= needs Y from both loaders, so target must be 'auto' or ClassLabels(), got "
            "another. Let the loaders give the classes, or leave evaluate out to cross-fit."
        )
    raw = held_out.targets
    if raw is None:
        raise TargetError(
            "The loader evaluate= gives inputs only; expected (inputs, target) pairs, as loader= "
            "gives. Pass unpack=, or leave evaluate out to cross-fit."
        )
    held_out.drop_targets()
    raw = class_maps(raw)
    if raw.ndim != classes.ndim:
        raise TargetError(
            f"Targets of evaluate= have shape {tuple(raw.shape)} and those of loader= "
            f"{tuple(classes.shape)}; expected one kind for both."
        )
    void = labelled_somewhere(raw, _void_beside(values, seen))
    raw = raw if void is None else torch.where(void, values[0].to(raw.dtype), raw)
    numbers = torch.searchsorted(values, raw.contiguous()).clamp(max=len(values) - 1)
    strange = raw[values[numbers] != raw]
    if len(strange):
        raise TargetError(
            f"Targets of evaluate= hold {_named(strange[:1], held_out)[0]}, which those of loader= "
            f"do not: they hold {', '.join(_named(values[:8], known))}. Give both the same classes."
        )
    if void is not None:
        numbers = numbers.masked_fill(void, -1)
    return Judges(held_out, numbers, torch.zeros(len(numbers), dtype=torch.int64, device="cpu"))


def _void_beside(values: Tensor, seen: RawClasses) -> IgnoreIndex:
    """Return what has no label among samples to judge on, where training has these classes."""
    if seen.ignore_index != "usual":
        return seen.ignore_index
    usual = USUAL_VOID if seen.values.ndim > 2 else (-100,)
    return tuple(number for number in usual if number not in values.tolist())


def _named(values: Tensor, samples: Samples) -> list[str]:
    """Return class numbers, or the names behind them, as text."""
    return [samples.names.get(number, f"{number:g}") for number in values.tolist()]
