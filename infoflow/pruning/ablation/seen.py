"""What one batch shows of a net's prediction and its target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.capture.batches import Batch
from infoflow.estimators.void import USUAL_VOID
from infoflow.graph import LayerGraph
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.comparison import are_close
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.random_state import seeded
from infoflow.pruning.ablation.outputs import Link, link_of, prediction_of
from infoflow.pruning.ablation.target_facts import TargetFacts
from infoflow.pruning.ablation.values import are_alike, as_target


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
    facts: TargetFacts | None = None
    call: Arguments | None = None
    model: nn.Module | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the prediction."""
        return tuple(self.prediction.shape)

    def void(self, classes: int) -> tuple[int, ...]:
        """Return the numbers that mark what has no label, where labels are 0 to ``classes`` - 1."""
        if self.ignore_index is not None:
            return (self.ignore_index,)
        return tuple(value for value in self._usual_void if not 0 <= value < classes)

    @property
    def _usual_void(self) -> tuple[int, ...]:
        return USUAL_VOID if self.facts is None else self.facts.usual_void

    def void_notes(self, kind: str, classes: int) -> tuple[str, ...]:
        """Say which numbers are left out as void, where the caller has not named one."""
        if self.ignore_index is not None or self.facts is None:
            return ()
        if kind not in ("cross_entropy", "binary") or self.has_signs:
            return ()
        void = [v for v in self.void(classes) if self.facts.holds(v)]
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
        """Whether every number of the targets is whole, of whatever type."""
        return self.facts is not None and self.facts.is_whole

    @property
    def is_zero_or_one(self) -> bool:
        """Whether the targets hold nothing but 0, 1 and what marks no label."""
        return self.facts is not None and self.facts.has_only(0, 1, *self.void(2))

    @property
    def has_signs(self) -> bool:
        """Whether the targets are -1 and 1."""
        return self.facts is not None and self.facts.numbers.tolist() == [-1, 1]

    @property
    def has_as_many(self) -> bool:
        """Whether the target has a number for each of the prediction."""
        return (
            self.target is not None
            and len(self.target) == len(self.prediction)
            and are_alike(self.shape[1:], tuple(self.target.shape[1:]))
        )

    def reads_ahead(self) -> bool:
        """Tell whether a position's scores depend on later tokens; False where nothing tells.

        The last token is replaced by another one of the batch.
        """
        if self.ids is None or self.call is None or self.model is None or self.ids.shape[1] < 2:
            return False
        ids, changed = self.ids, self.ids.clone()
        changed[:, -1] = torch.where(ids[:, -1] == ids.max(), ids.min(), ids.max())
        call = self.call.map(lambda tensor: changed if tensor is ids else tensor)
        with evaluation_mode(self.model), torch.no_grad(), seeded():
            other = prediction_of(call.of(self.model))
        return not are_close([other[:, :-1]], [self.prediction[:, :-1]])


def look(
    output: Any,
    target: Any,
    call: Arguments | None,
    graph: LayerGraph | None,
    ignore: int | None,
    facts: TargetFacts | None = None,
) -> Seen:
    """Return what one batch shows."""
    prediction = prediction_of(output)
    truth = None if target is None else as_target(target, prediction.device)
    if facts is None and truth is not None:
        facts = TargetFacts.of(truth)
    return Seen(
        prediction=prediction.detach(),
        target=truth,
        ids=_ids(call, target),
        link=link_of(graph, output),
        has_graph=graph is not None,
        ignore_index=ignore,
        output=output,
        facts=facts,
        call=call,
        model=graph.source.model if graph is not None and graph.has_program else None,
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


def facts_with(facts: TargetFacts | None, batch: Batch) -> TargetFacts | None:
    """Return what targets show together with those of one batch more, from loader or call."""
    target = target_of(batch.target, batch.call, "")
    if not isinstance(target, Tensor):
        return facts
    found = TargetFacts.of(target)
    return found if facts is None else facts.joined(found)


def first_and_facts(batches: Iterable[Batch]) -> tuple[Batch, TargetFacts | None]:
    """Return the first batch, and what the targets of all show together."""
    first: Batch | None = None
    facts: TargetFacts | None = None
    for batch in batches:
        first = batch if first is None else first
        facts = facts_with(facts, batch)
    assert first is not None
    return first, facts
