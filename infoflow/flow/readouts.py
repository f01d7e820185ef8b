"""Linear read-outs of layers: fitted on a few pixels of each sample, judged on all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.capture.batches import Samples
from infoflow.capture.budget import enough_bytes, format_bytes
from infoflow.estimators.linear import Decision, LinearReadout, fit_linear
from infoflow.estimators.probe_features import as_features
from infoflow.estimators.probe_task import ProbeTask
from infoflow.estimators.scores import count_overlaps
from infoflow.graph import LayerGraph
from infoflow.graph.reduce import channels_first, reduce_positions
from infoflow.interface import ActivationError, Layer, MemoryBudgetError, UnmeasurableWarning, warn

#: A fit holds its layer's rows in float32 and in float64, whole and in parts.
_COPIES = 7


@dataclass(frozen=True, eq=False)
class Judges:
    """The samples that read-outs are judged on.

    Parameters
    ----------
    samples
        Where they come from.
    classes
        Their class numbers, (N,) or (N, H, W).
    fold
        (N,) for each of them the read-out that has not seen it.
    """

    samples: Samples
    classes: Tensor
    fold: Tensor

    @property
    def maps(self) -> Tensor:
        """The class numbers as (N, H, W), 1×1 where Y is a label."""
        return self.classes if self.classes.ndim == 3 else self.classes[:, None, None]


@dataclass(frozen=True, eq=False)
class Task:
    """What is fitted, and what is judged.

    Parameters
    ----------
    graph, layers
        The net, and the layers of it that are read.
    samples, question
        What is fitted.
    judges
        What is judged.
    folds
        Folds of the question that a read-out is fitted without; ``judges.fold`` counts them from 0.
    decision
        Which class a read-out names.
    """

    graph: LayerGraph
    layers: Sequence[Layer]
    samples: Samples
    question: ProbeTask
    judges: Judges
    folds: Sequence[int]
    decision: Decision = "likely"

    @property
    def is_dense(self) -> bool:
        """Whether Y is a map."""
        return self.question.places is not None

    def maps(self, layer: Layer, value: Tensor) -> Tensor:
        """Return what a read-out reads of a layer's value, (N, d, h, w).

        For maps of classes, the layer's own maps, or a vector as one place; for labels, the mean
        over all positions.
        """
        if self.is_dense and layer.positions:
            return as_features(channels_first(value, layer.positions))
        rows = as_features(reduce_positions(value, "mean", layer.positions))
        return rows.reshape(len(rows), -1)[:, :, None, None]

    def features(self, layer: Layer) -> int:
        """Return how many features a read-out has: channels of maps, units of vectors."""
        sizes = [size for at, size in enumerate(layer.shape) if at not in layer.positions]
        return math.prod(sizes)


def readable(
    graph: LayerGraph, layers: Sequence[Layer], named: set[str], *, is_dense: bool
) -> list[Layer]:
    """Return the layers that suit the target: for a dense one, maps and vectors.

    Others that were asked for by name are an ActivationError, and are left out with a warning
    where they were not.
    """
    if not is_dense:
        return list(layers)
    other = [layer for layer in layers if len(layer.positions) not in (0, 2)]
    wanted = [layer for layer in other if layer.name in named]
    if wanted or len(other) == len(layers):
        layer = (wanted or other)[0]
        raise ActivationError(
            f"Layer {layer.name} ({layer.index}) of {graph.model} has values of shape "
            f"{layer.shape}; expected maps, such as (channels, height, width), or vectors, for a "
            "target that is a map. Choose other layers=, or a class per sample as target."
        )
    if other:
        warn(
            f"{len(other)} of {len(layers)} layers hold neither maps nor vectors, such as "
            f"{other[0].name} of shape {other[0].shape}, and are left out: the target is a map.",
            UnmeasurableWarning,
        )
    return [layer for layer in layers if layer not in other]


def groups(task: Task, budget: int) -> list[list[Layer]]:
    """Cut the layers into groups whose rows, with one fit, the budget holds."""
    places = task.question.classes.numel()
    found: list[list[Layer]] = []
    kept = largest = 0
    for layer in task.layers:
        size = 4 * places * task.features(layer)
        if size * (1 + _COPIES) > budget:
            raise MemoryBudgetError(
                f"memory_budget={format_bytes(budget)} does not hold the fit of layer "
                f"{layer.name}: {places:,} rows of {task.features(layer)} features need "
                f"{enough_bytes(size * (1 + _COPIES))}. Raise it, or take fewer "
                + ("pixels=." if task.is_dense else "samples.")
            )
        largest = max(largest, size)
        if found and kept + size + _COPIES * largest <= budget:
            found[-1].append(layer)
            kept += size
        else:
            found.append([layer])
            kept = largest = size
    return found


def fit_readouts(
    task: Task, layers: Sequence[Layer], step: Callable[[], object]
) -> dict[str, list[LinearReadout]]:
    """Fit a read-out for each layer and fold, from one pass over the samples."""
    parts: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
    question = task.question

    def keep(layer: Layer, value: Tensor, start: int) -> None:
        parts[layer.name].append(question.rows(task.maps(layer, value), "linear", start).clone())

    _each_value(task.graph, task.samples, layers, keep)
    readouts: dict[str, list[LinearReadout]] = {}
    for layer in layers:
        rows = torch.cat(parts.pop(layer.name))
        classes = question.classes.flatten().to(rows.device)
        readouts[layer.name] = []
        for fold in task.folds:
            found = fit_linear(rows, classes, question.count, question.split(fold))
            readouts[layer.name].append(found)
            step()
    return readouts


def judge(
    task: Task, layers: Sequence[Layer], readouts: Mapping[str, Sequence[LinearReadout]]
) -> dict[str, Tensor]:
    """Count, for each layer, where its read-outs' classes are the true ones; one pass.

    Returns
    -------
    dict of str to Tensor
        For each layer (N, classes, 3), as :func:`infoflow.estimators.scores.count_overlaps` counts.
    """
    found: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
    judges, count = task.judges, task.question.count

    def compare(layer: Layer, value: Tensor, start: int) -> None:
        # one sample at a time: float64 copies of a batch's maps would be large
        for row, features in enumerate(task.maps(layer, value), start):
            readout = readouts[layer.name][int(judges.fold[row])]
            true = judges.maps[row]
            size = (len(true), true.shape[1])
            predicted = predict_map(readout, features, size, task.decision).cpu()
            found[layer.name].append(count_overlaps(predicted[None], true[None], count))

    _each_value(task.graph, judges.samples, layers, compare)
    return {name: torch.cat(rows) for name, rows in found.items()}


def predict_map(
    readout: LinearReadout,
    features: Tensor,
    size: tuple[int, int],
    decision: Decision = "likely",
) -> Tensor:
    """Return the class of each pixel of a map of ``size``, for features (d, h, w).

    The read-out is a 1×1 convolution in the layer's own resolution; its classes are brought to
    ``size`` by the nearest neighbour, with the same places as in the fit.
    """
    depth, height, width = features.shape
    small = readout.predict(features.reshape(depth, -1).T, decision).view(height, width)
    rows = torch.arange(size[0], device=small.device, dtype=torch.int64) * height // size[0]
    columns = torch.arange(size[1], device=small.device, dtype=torch.int64) * width // size[1]
    return small[rows[:, None], columns]


def constant_overlaps(judges: Judges, shares: Sequence[Tensor]) -> Tensor:
    """Count as :func:`judge` does for read-outs without features: the most frequent class."""
    most = torch.stack([share.argmax() for share in shares]).cpu()[judges.fold]
    predicted = most[:, None, None].expand_as(judges.maps)
    pairs = zip(predicted.split(64), judges.maps.split(64), strict=True)
    return torch.cat([count_overlaps(guess, true, len(shares[0])) for guess, true in pairs])


def _each_value(
    graph: LayerGraph,
    samples: Samples,
    layers: Sequence[Layer],
    receive: Callable[[Layer, Tensor, int], None],
) -> None:
    """Hand over each layer's value of each batch when it is there, with its first sample's number.

    An ActivationError for what is not finite.
    """
    for batch in samples.batches():

        def check(layer: Layer, value: Tensor, start: int = batch.start) -> None:
            bad = (~torch.isfinite(value)).flatten(1).any(dim=1).nonzero().flatten()
            if len(bad):
                raise ActivationError(
                    f"Layer {layer.name} ({layer.index}) has NaN or infinite values in sample "
                    f"{start + int(bad[0])}. Expected finite activations: check the weights and "
                    "the inputs."
                )
            receive(layer, value.to(samples.home), start)

        graph.visit(batch.call, layers, check)
