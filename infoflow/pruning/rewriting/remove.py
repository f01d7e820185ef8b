"""Which way each stream goes, and the order in which they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, fx

from infoflow.graph.builders import BundleBuilder, LayerBuilder
from infoflow.interface import PruningError
from infoflow.pruning.choice import Removal
from infoflow.pruning.report import How, Removed
from infoflow.pruning.rewriting.channel_functions import as_mean
from infoflow.pruning.rewriting.concat import CutPlan, blank_out, carry_out, plan_cut
from infoflow.pruning.rewriting.in_place import protect
from infoflow.pruning.rewriting.joint import drop_operand, neutral
from infoflow.pruning.rewriting.model import MEAN
from infoflow.pruning.rewriting.silence import Replace, silence
from infoflow.pruning.rewriting.surgery import CannotCutError, Surgery

RemovalMode = Literal["auto", "cut", "zero", "mean"]


def remove(
    work: Surgery,
    removals: Sequence[Removal],
    mode: RemovalMode,
    means: Mapping[fx.Node, Tensor] | None = None,
) -> list[Removed]:
    """Take streams out of a workpiece, and return what became of each.

    Concatenations are planned first and cut second, since plans look at the program as it was;
    sums go last, from the last to the first, since each lets another value take its place.
    """
    reasons: dict[str, str] = {}
    plans: list[CutPlan] = []
    silenced: list[Removal] = []
    joint: list[Removal] = []
    for removal in removals:
        if mode in ("zero", "mean"):
            silenced.append(removal)
        elif isinstance(removal.draft, LayerBuilder):
            joint.append(removal)
        else:
            try:
                plans.append(plan_cut(work, removal.draft, removal.sources))
            except CannotCutError as reason:
                _refuse(mode, removal, reason, reasons)
                silenced.append(removal)
    for plan in plans:
        carry_out(work, plan)
    for removal in sorted(joint, key=lambda r: -work.position(work.new(r.draft.node))):
        assert isinstance(removal.draft, LayerBuilder)
        try:
            drop_operand(work, removal.draft, removal.sources)
        except CannotCutError as reason:
            _refuse(mode, removal, reason, reasons)
            silenced.append(removal)
    for removal in silenced:
        silence(work, removal, _replacement(work, removal, means))
    protect(work)
    left = {removal.merge.name for removal in silenced}
    how: How = "zeroed" if means is None else "replaced by its mean"
    return [
        Removed(name, how if removal.merge.name in left else "cut", reasons.get(name, ""))
        for removal in removals
        for name in removal.names
    ]


def _refuse(
    mode: RemovalMode, removal: Removal, reason: CannotCutError, reasons: dict[str, str]
) -> None:
    names = ", ".join(removal.names)
    if mode == "cut":
        raise PruningError(
            f"{names} cannot be cut out of the structure: {reason}. Use mode='zero' to replace it "
            "by zeros, or mode='auto' to do so where it cannot be cut."
        ) from reason
    reasons.update(dict.fromkeys(removal.names, str(reason)))


def _replacement(
    work: Surgery, removal: Removal, means: Mapping[fx.Node, Tensor] | None
) -> Replace:
    def replace(value: fx.Node) -> fx.Node:
        if means is None:
            return work.nodes.call_function(neutral(work, removal.draft.node), (value,))
        mean = work.add_tensor(MEAN, means[work.old(value)])
        return work.nodes.call_function(as_mean, (value, mean))

    return replace


def silence_all(work: Surgery, removals: Sequence[Removal]) -> None:
    """Set streams to zero, or to one where they multiply, at their merges."""
    for removal in removals:
        silence(work, removal, _replacement(work, removal, None))


def reference(
    work: Surgery,
    removals: Sequence[Removal],
    cut: Sequence[Removed],
    means: Mapping[fx.Node, Tensor] | None,
) -> None:
    """Zero streams where their readers read them, without changing any shape.

    The program that comes out is what a pruned net is compared with; streams that were not cut are
    treated as they were.
    """
    was_cut = {removed.stream for removed in cut if removed.how == "cut"}
    for removal in removals:
        is_cut = was_cut.issuperset(removal.names)
        if is_cut and isinstance(removal.draft, BundleBuilder):
            blank_out(work, plan_cut(work, removal.draft, removal.sources))
        else:
            silence(work, removal, _replacement(work, removal, means))


def values_replaced(work: Surgery, removals: Sequence[Removal]) -> list[fx.Node]:
    """Return the nodes, as traced, whose values would be replaced where streams are silenced."""
    found: list[fx.Node] = []

    def note(value: fx.Node) -> fx.Node:
        found.append(work.old(value))
        return work.nodes.call_function(torch.zeros_like, (value,))

    for removal in removals:
        silence(work, removal, note)
    return list(dict.fromkeys(found))
