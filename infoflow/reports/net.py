"""The net: its graph, its layers and its merges."""

from __future__ import annotations

from collections.abc import Iterator

from infoflow import plots
from infoflow.graph import LayerGraph
from infoflow.graph.text_table import as_number, counted, listed
from infoflow.interface import Layer
from infoflow.reports.content import Cell, Doubt, Section, Table
from infoflow.reports.numerals import MISSING, number
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import numbers_of, table

#: Boxes in the picture; larger nets are folded.
_MOST_PLACES = 48


def net(graph: LayerGraph, name: str, gallery: Gallery) -> Section:
    """Return the section of a graph."""
    skips = len(graph.skips)
    parameters = sum(layer.parameters for layer in graph)
    folded = " Layers of a module share a box." if len(graph) > _MOST_PLACES else ""
    return Section(
        "net",
        "The net",
        lead=(
            f"{graph.model} has {counted(len(graph), 'layer')}, "
            f"{counted(len(graph.merges), 'merge')} and {counted(skips, 'skip connection')}, "
            f"with {parameters:,} parameters. Verified: {_first_line(str(graph.verification))}.",
        ),
        doubts=tuple(Doubt(text) for text in _doubts(graph)),
        items=(
            gallery.draw(
                lambda: plots.layer_graph(graph, max_places=_MOST_PLACES),
                caption=f"The graph of layers. Orange boxes are merges, blue lines skip "
                f"connections.{folded}",
                alt="The graph of layers; the tables below list layers and merges.",
            ),
            _layers(graph),
            *_merges(graph),
        ),
        numbers=(numbers_of(graph, name),),
    )


def _first_line(text: str) -> str:
    lines = text.splitlines()
    return lines[0] if lines else "not at all"


def _doubts(graph: LayerGraph) -> Iterator[str]:
    if not graph.verification.is_exact:
        yield f"The graph is not exact: {_first_line(str(graph.verification))}."
    reasons: dict[str, list[str]] = {}
    for layer, reason in graph.unmeasurable.items():
        reasons.setdefault(reason, []).append(layer)
    for reason, layers in reasons.items():
        yield f"Not measurable: {listed(layers, 5)}, since {reason}."


def _layers(graph: LayerGraph) -> Table:
    index = {layer.name: str(layer.index) for layer in graph}
    return table(
        "Every layer, in the order of computation. Merges are where streams meet.",
        ("", "layer", "kind", "shape", "reads", "parameters", "multiply-adds"),
        [_layer(layer, index) for layer in graph],
        numbers=("", "parameters", "multiply-adds"),
        folded=f"All {counted(len(graph), 'layer')}",
    )


def _layer(layer: Layer, index: dict[str, str]) -> tuple[Cell, ...]:
    known = layer.multiply_adds
    reads = [index.get(source, source) for source in layer.streams]
    return (
        Cell(str(layer.index)),
        Cell(layer.name),
        Cell("+".join((layer.kind, *layer.followed_by))),
        Cell("×".join(map(str, layer.shape)) or "1", float(layer.units)),
        Cell(f"{listed(reads, 12)}{' (merge)' if layer.is_merge else ''}"),
        number(layer.parameters, ",.0f"),
        Cell(MISSING) if known is None else Cell(as_number(known), float(known)),
    )


def _merges(graph: LayerGraph) -> Iterator[Table]:
    if graph.merges:
        yield table(
            "Where streams meet: the main one, and the skip connections that join it.",
            ("", "merge", "kind", "main stream", "skip connections"),
            [
                (
                    Cell(MISSING if merge.index is None else str(merge.index)),
                    Cell(merge.name),
                    Cell(merge.kind),
                    Cell(merge.main),
                    Cell(listed([str(skip) for skip in merge.skips], 12), float(len(merge.skips))),
                )
                for merge in graph.merges
            ],
            numbers=("",),
            folded=f"All {counted(len(graph.merges), 'merge')}",
        )
