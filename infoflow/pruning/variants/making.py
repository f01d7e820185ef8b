"""Variants of a net: with streams silenced, or as a pruned net computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import fx

from infoflow.graph import LayerGraph
from infoflow.graph.builders import BundleBuilder
from infoflow.graph.tracing.program import Program
from infoflow.interface import PruningError
from infoflow.pruning.choice import Removal, StreamName, removals
from infoflow.pruning.rewriting.concat import CutPlan, blank_out, plan_cut
from infoflow.pruning.rewriting.joint import neutral
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.rewriting.silence import silence
from infoflow.pruning.rewriting.surgery import CannotCutError, Surgery
from infoflow.pruning.variants.kept_values import Footprint
from infoflow.pruning.variants.variant import Variant


def silenced(
    graph: LayerGraph, streams: StreamName | Iterable[StreamName], footprint: Footprint
) -> Variant:
    """Return the net without streams, as ``prune(mode="auto")`` leaves them out.

    It computes with the model's own modules; nothing is copied and no shape changes.

    Parameters
    ----------
    graph
        A traced graph, with a program.
    streams
        As for :func:`infoflow.prune`.
    footprint
        From :func:`observe` of the graph's program.

    Raises
    ------
    ArgumentError
        If a stream does not exist.
    PruningError
        If nothing would be left of a merge, or no way from an input to the output.
    """
    call = graph.source.example
    assert call is not None
    work = Surgery(graph, call, footprint.shapes)
    chosen = removals(graph, streams)
    blanks = _silence(work, chosen)
    work.nodes.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    _check_way(work, chosen, blanks)
    whole = graph.program
    program = Program(
        *(whole.model, work.nodes, {}),
        root=whole.root,
        constants=whole.constants,
        hidden=whole.hidden,
    )
    return Variant(program, work.lineage(), whole, footprint)


def _silence(work: Surgery, chosen: Sequence[Removal]) -> set[fx.Node]:
    """Silence streams; return the nodes that stand for them.

    Where channels can be cut, the layers that read them get zeros; elsewhere, the merge does. All
    cuts are planned first, since plans look at the program as it was.
    """
    plans: list[CutPlan] = []
    others: list[Removal] = []
    for removal in chosen:
        if not isinstance(removal.draft, BundleBuilder):
            others.append(removal)
            continue
        try:
            plans.append(plan_cut(work, removal.draft, removal.sources))
        except CannotCutError:
            others.append(removal)
    for plan in plans:
        blank_out(work, plan)
    blanks: set[fx.Node] = set()
    for removal in others:
        function = neutral(work, removal.draft.node)

        def replace(value: fx.Node, function: object = function) -> fx.Node:
            blank = work.nodes.call_function(function, (value,))  # type: ignore[arg-type]
            blanks.add(blank)
            return blank

        silence(work, removal, replace)
    return blanks


def _check_way(work: Surgery, chosen: Sequence[Removal], blanks: set[fx.Node]) -> None:
    """Raise where the output depends on no input any more."""
    reached: set[fx.Node] = set()
    for node in work.nodes.nodes:
        is_input = node.op == "placeholder" and work.shapes.get(node) is not None
        if node not in blanks and (is_input or not reached.isdisjoint(node.all_input_nodes)):
            reached.add(node)
    if not any(node.op == "output" for node in reached):
        names = ", ".join(name for removal in chosen for name in removal.names)
        raise PruningError(
            f"Without {names} no way is left from an input of {work.name} to its output; expected "
            "one. Leave a stream of these merges in."
        )


def variant_of(slim: PrunedModel, graph: LayerGraph, footprint: Footprint) -> Variant:
    """Return a pruned net as a variant of the net that it was made of.

    It computes with the pruned net's own modules and weights as they are now: make it again after
    they have changed.

    Raises
    ------
    PruningError
        If the net was copied or read from a file, or pruned from another graph.
    """
    lineage = slim.lineage
    nodes = set(graph.program.nodes)
    if lineage is None or not nodes.issuperset(lineage.likes.values()):
        raise PruningError(
            f"This pruned {slim.pruning.model} is not known to come from this graph: expected the "
            "very net that infoflow.prune returned for it, got a copy or another one. Prune again."
        )
    return Variant(lineage.program(slim), lineage, graph.program, footprint)
