"""Y of a loader's samples, reduced when it costs least and once for all epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.capture.batches import Batch, Samples
from infoflow.capture.collect import collect_output
from infoflow.capture.order import Order, differs_in_order
from infoflow.capture.target_choice import GivenLabels, make_target
from infoflow.capture.targets import ClassLabels
from infoflow.estimators.void import IgnoreIndex
from infoflow.graph import LayerGraph
from infoflow.graph.running.same_net import digest
from infoflow.interface import (
    Labels,
    OrderWarning,
    Target,
    TargetError,
    UnmeasurableWarning,
    warn,
)

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
        self._order: Order | None = None
        reducer = make_target(target, example)
        self.is_wanted = reducer is not None
        if reducer is None:
            if isinstance(target, str) and target == "auto" and samples.odd_target:
                _warn_of_odd_target(samples.odd_target)
            return
        is_dense = example is not None and example[0].numel() > 1
        if reducer.of == "target" and example is None:
            raise _missing_target(reducer, samples)
        if reducer.of == "given" and earlier is None:
            self._order = _steady(samples.order())
        if reducer.of == "output":
            self._earlier = None
            self.get()
        elif is_dense and earlier is None:
            self.get()

    def get(self) -> Labels | None:
        """Return Y, or None where the caller wants none or the loader gives none."""
        if not self._found:
            labels = self._reduce()
            known = [] if labels is None else [(labels.description, labels.classes)]
            self._samples.ranks.agree({"classes of Y": digest(known)})
            self._found.append(labels)
        return self._found[0]

    @property
    def known(self) -> KnownLabels | None:
        """What a later measurement of the same samples can use."""
        labels = self.get()
        return None if labels is None else KnownLabels(labels, self._samples.checksums)

    def _reduce(self) -> Labels | None:
        if self._earlier is not None and self._earlier.checksums == self._samples.checksums:
            return self._earlier.labels
        if not self.is_wanted:
            return None
        is_array = not isinstance(self._target, (str, Target))
        raw = None if is_array else self._samples.targets
        reducer = make_target(self._target, raw)
        if reducer is None:
            return None
        if reducer.of == "output":
            raw = collect_output(self._graph, self._samples)
        elif reducer.of == "given":
            self._check_order(reducer)
            raw = torch.empty(self._samples.count, 0, dtype=torch.float32, device="cpu")
        if raw is None:
            raise _missing_target(reducer, self._samples)
        self._samples.drop_targets()
        return reducer.reduce(raw)

    def _check_order(self, given: Target) -> None:
        """Say where labels may be in another order than the samples of the pass just made."""
        order = self._order
        if order is None:  # other batches than those of the earlier measurement
            order = _steady(self._samples.order())
            if order != "sequential":
                raise _shuffled_labels()
        own = None if self._samples.names else self._samples.batch_labels
        classes = given.classes.reshape(-1) if isinstance(given, GivenLabels) else None
        if own is None or classes is None:
            is_known = False
        else:
            is_known = torch.equal(torch.cat([one.reshape(-1) for one in own]), classes)
            if differs_in_order(classes, own, order):
                _warn_of_order("The loader itself gives these labels in another order")
        if order == "permuted" and not is_known:
            _warn_of_order("The sampler takes the samples in another order than the data set's")


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
                f"{caller} needs Y, but {_given(samples)}. Give (inputs, target) pairs, pass "
                "unpack=, or an array of labels as target=."
            )
        samples.drop_targets()
        return RawClasses(raw, chosen.ignore_index)
    labels = LazyLabels(target, graph, samples, example.target).get()
    if labels is None:
        raise TargetError(f"{caller} needs Y, got target='none'. Leave target out.")
    return RawClasses(labels.classes)


def _missing_target(reducer: Target, samples: Samples) -> TargetError:
    return TargetError(
        f"target={type(reducer).__name__} needs what the loader gives as target, but "
        f"{_given(samples)}. Give "
        "(inputs, target) pairs, pass unpack= or an array of labels, or target='output' for the "
        "model's own output."
    )


def _given(samples: Samples) -> str:
    odd = samples.odd_target
    return "the loader's batches hold inputs only" if odd is None else f"its targets are {odd}"


def _warn_of_odd_target(kind: str) -> None:
    warn(
        f"The loader's targets are {kind}, so I(Y;M) is not measured. Pass "
        "unpack=, a function from a batch to (inputs, target); target='none' says that no Y is "
        "wanted.",
        UnmeasurableWarning,
    )


def _warn_of_order(what: str) -> None:
    warn(
        f"{what}. An array of labels must be in the order in which the loader gives the samples; "
        "else I(Y;M) is too small. Let the loader give Y, or bring the array into its order.",
        OrderWarning,
    )


def _steady(order: Order) -> Order:
    """Return an order; a TargetError where there is none."""
    if order == "shuffled":
        raise _shuffled_labels()
    return order


def _shuffled_labels() -> TargetError:
    return TargetError(
        "An array of labels must be in the order of the samples, but the loader shuffles: another "
        "seed or epoch gives another order, or other samples. Pass a loader with shuffle=False, or "
        "let the loader give the labels."
    )
