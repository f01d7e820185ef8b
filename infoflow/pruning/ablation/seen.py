"""What one batch shows of a net's prediction and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infoflow.estimators.void import USUAL_VOID
from infoflow.graph import LayerGraph
from infoflow.graph.running.arguments import Arguments
from infoflow.pruning.ablation.outputs import Link, link_of, prediction_of
from infoflow.pruning.ablation.values import as_target


@dataclass(frozen=True)
class Seen:
    """What one batch shows: prediction, target, whole numbers among the inputs, and the end."""

    prediction: Tensor
    target: Tensor | None
    ids: Tensor | None
    link: Link | None
    has_graph: bool
    ignore_index: int | None
    output: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the prediction."""
        return tuple(self.prediction.shape)

    def void(self, classes: int) -> tuple[int, ...]:
        """Return the numbers that mark what has no label, where labels are 0 to ``classes`` - 1."""
        if self.ignore_index is not None:
            return (self.ignore_index,)
        return tuple(value for value in USUAL_VOID if not 0 <= value < classes)

    def void_notes(self, kind: str, classes: int) -> tuple[str, ...]:
        """Say which numbers are left out as void, where the caller has not named one."""
        if self.ignore_index is not None or self.target is None:
            return ()
        if kind not in ("cross_entropy", "binary"):
            return ()
        void = [v for v in self.void(classes) if bool((self.target == v).any())]
        return tuple(
            f"labels {v} are left out, as what has no label (ignore_index={v})" for v in void
        )

    def has_labels_but_for(self, axis: int) -> bool:
        """Tell whether the target has a label wherever the prediction has one but for ``axis``."""
        if self.target is None or not self.has_whole_numbers:
            return False
        rest = [size for at, size in enumerate(self.shape) if at != axis % len(self.shape)]
        squeezed = [size for size in self.target.shape[1:] if size != 1]
        wanted = [size for size in rest[1:] if size != 1]
        return self.target.shape[:1] == tuple(rest[:1]) and squeezed == wanted

    @property
    def has_whole_numbers(self) -> bool:
        """Whether every number of the target is whole, of whatever type."""
        if self.target is None:
            return False
        if not self.target.is_floating_point():
            return True
        return bool((self.target == self.target.round()).all())

    @property
    def is_zero_or_one(self) -> bool:
        """Whether the target holds nothing but 0, 1 and what marks no label."""
        assert self.target is not None
        is_known = (self.target == 0) | (self.target == 1)
        for value in self.void(2):
            is_known |= self.target == value
        return bool(is_known.all())

    @property
    def has_as_many(self) -> bool:
        """Whether the target has a number for each of the prediction."""
        return (
            self.target is not None
            and len(self.target) == len(self.prediction)
            and self.target.numel() == self.prediction.numel()
        )


def look(
    output: Any, target: Any, call: Arguments | None, graph: LayerGraph | None, ignore: int | None
) -> Seen:
    """Return what one batch shows."""
    prediction = prediction_of(output)
    return Seen(
        prediction=prediction.detach(),
        target=None if target is None else as_target(target, prediction.device),
        ids=_ids(call, target),
        link=link_of(graph, output),
        has_graph=graph is not None,
        ignore_index=ignore,
        output=output,
    )


def _ids(call: Arguments | None, target: Any) -> Tensor | None:
    """Return the first whole numbers of shape (B, T) among a call's arguments, but the target."""
    if call is None:
        return None
    named = call.kwargs.get("input_ids")
    tensors = [named] if isinstance(named, Tensor) else call.tensors
    return next(
        (
            t
            for t in tensors
            if t is not target and t.ndim == 2 and t.dtype in (torch.int64, torch.int32)
        ),
        None,
    )


def target_of(target: Any, call: Arguments | None, kind: str) -> Any:
    """Return the target: the loader's, else what the model is called with as labels or tokens."""
    if target is not None or call is None or kind in ("model", "function"):
        return target
    for name in ("labels", "label", "targets", "target"):
        if isinstance(call.kwargs.get(name), Tensor):
            return call.kwargs[name]
    if kind != "next_token":
        return None
    ids = call.kwargs.get("input_ids", call.first)
    return ids if isinstance(ids, Tensor) else None
