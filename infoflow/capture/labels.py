"""Y of a loader's samples, reduced when it costs least and once for all epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.collect import collect_output
from infoflow.capture.targets import ClassLabels, is_one_hot, largest, make_target
from infoflow.estimators.void import IgnoreIndex
from infoflow.graph import LayerGraph
from infoflow.interface import Labels, Target, TargetError, UnmeasurableWarning, warn

TargetLike = str | Target | ArrayLike | Tensor


@dataclass(frozen=True)
class KnownLabels:
    """Y of an earlier measurement, and the checksums of the batches that it belongs to."""

    labels: Labels
    checksums: tuple[int, ...]


class LazyLabels:
    """Y of the samples; reduced on demand, after a pass over them.

    Dense targets, and the model's output, are reduced at once and dropped, so that their memory is
    free when the activations come. What an earlier measurement of the same samples found is used
    again.

    Parameters
    ----------
    target
        What ``target=`` was given.
    graph, samples
        The net and its samples.
    example
        The target of the first two samples, or None.
    earlier
        Y of an earlier measurement.

    Raises
    ------
    TargetError
        If the target is to be reduced and the loader gives none.
    """

    def __init__(
        self,
        target: TargetLike,
        graph: LayerGraph,
        samples: Samples,
        example: Tensor | None,
        earlier: KnownLabels | None = None,
    ) -> None:
        self._target = target
        self._graph = graph
        self._samples = samples
        self._earlier = earlier
        self._found: list[Labels | None] = []
        reducer = make_target(target, example)
        self.is_wanted = reducer is not None
        if reducer is None:
            if isinstance(target, str) and target == "auto" and samples.odd_target:
                _warn_of_odd_target(samples.odd_target)
            return
        is_dense = example is not None and example[0].numel() > 1
        if reducer.of == "target" and example is None:
            raise _missing_target(reducer, samples)
        if reducer.of == "given" and earlier is None and not samples.keeps_order():
            raise _shuffled_labels()
        if reducer.of == "output":
            self._earlier = None
            self.get()
        elif is_dense and earlier is None:
            self.get()

    def get(self) -> Labels | None:
        """Return Y, or None where the caller wants none or the loader gives none."""
        if not self._found:
            self._found.append(self._reduce())
        return self._found[0]

    @property
    def known(self) -> KnownLabels | None:
        """What a later measurement of the same samples can use."""
        labels = self.get()
        return None if labels is None else KnownLabels(labels, self._samples.checksums)

    def _reduce(self) -> Labels | None:
        if self._earlier is not None and self._earlier.checksums == self._samples.checksums:
            return self._earlier.labels
        raw = self._samples.targets
        reducer = make_target(self._target, raw)
        if reducer is None:
            return None
        if reducer.of == "output":
            raw = collect_output(self._graph, self._samples)
        elif reducer.of == "given":
            raw = torch.empty(self._samples.count, 0, dtype=torch.float32, device="cpu")
        if raw is None:
            raise _missing_target(reducer, self._samples)
        self._samples.drop_targets()
        return reducer.reduce(raw)


class RawClasses(NamedTuple):
    """Y as probes take it, (N,) classes or maps of them, and what marks pixels without a label."""

    values: Tensor
    ignore_index: IgnoreIndex = "usual"


def raw_classes(
    target: TargetLike, graph: LayerGraph, samples: Samples, example: Batch, *, caller: str
) -> RawClasses:
    """Return Y as probes take it: what the loader gives for ``"auto"`` and ClassLabels.

    Anything else is reduced to a class for each sample. A TargetError, which names the ``caller``,
    where there is no Y.
    """
    chosen = ClassLabels() if isinstance(target, str) and target in ("auto", "labels") else target
    if isinstance(chosen, ClassLabels) and chosen.of == "target":
        raw = samples.targets
        if raw is None:
            raise TargetError(
                f"{caller} needs Y, but the loader's batches hold inputs only. Give (inputs, "
                "target) pairs, pass unpack=, or an array of labels as target=."
            )
        samples.drop_targets()
        return RawClasses(largest(raw) if is_one_hot(raw) else raw, chosen.ignore_index)
    labels = LazyLabels(target, graph, samples, example.target).get()
    if labels is None:
        raise TargetError(f"{caller} needs Y, got target='none'. Leave target out.")
    return RawClasses(labels.classes)


def _missing_target(reducer: Target, samples: Samples) -> TargetError:
    odd = samples.odd_target
    given = "its batches hold inputs only" if odd is None else f"that is a {odd} and no tensor"
    return TargetError(
        f"target={type(reducer).__name__} needs what the loader gives as target, but {given}. Give "
        "(inputs, target) pairs, pass unpack= or an array of labels, or target='output' for the "
        "model's own output."
    )


def _warn_of_odd_target(kind: str) -> None:
    warn(
        f"The loader's targets are a {kind} that is no tensor, so I(Y;M) is not measured. Pass "
        "unpack=, a function from a batch to (inputs, target); target='none' says that no Y is "
        "wanted.",
        UnmeasurableWarning,
    )


def _shuffled_labels() -> TargetError:
    return TargetError(
        "An array of labels must be in the order of the samples, but under another seed the loader "
        "gives them in another order, or others. Pass a loader that neither shuffles nor augments, "
        "or let the loader give the labels."
    )
