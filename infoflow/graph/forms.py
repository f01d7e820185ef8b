"""A layer graph as a dataset, a networkx graph, and plain lists and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import networkx as nx

from infoflow.graph.reduce import Reduce
from infoflow.interface import Layer, Merge, Skip, Verification
from infoflow.results.columns import columns_of

if TYPE_CHECKING:
    import xarray as xr


class GraphParts(Protocol):
    """What a layer graph is made of."""

    model: str
    inputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    merges: tuple[Merge, ...]
    outputs: tuple[str, ...]
    dominators: dict[str, str | None]
    unmeasurable: dict[str, str]
    verification: Verification
    reduce: Reduce


def as_dataset(graph: GraphParts) -> xr.Dataset:
    """Return the layers of a graph, by name."""
    import xarray as xr

    columns = columns_of(graph.layers, Layer, "layer", {"multiply_adds": "multiply-adds"})
    names = {"layer": columns.pop("name")}
    return xr.Dataset(columns, names, {"model": graph.model})


def as_networkx(graph: GraphParts) -> nx.DiGraph:
    """Return inputs and layers as nodes, streams as edges."""
    found = nx.DiGraph(model=graph.model)
    found.add_nodes_from((name, {"kind": "input", "index": None}) for name in graph.inputs)
    for layer in graph.layers:
        found.add_node(layer.name, **asdict(layer))
        found.add_edges_from((source, layer.name) for source in layer.streams)
    for merge in graph.merges:
        for source in merge.streams:
            for reader in merge.layers:
                found.add_edge(source, reader, merge=merge.name, skip=source != merge.main)
    return found


def as_dict(graph: GraphParts) -> dict[str, Any]:
    """Return plain lists, strings and numbers."""
    return {
        "model": graph.model,
        "inputs": list(graph.inputs),
        "layers": [asdict(layer) for layer in graph.layers],
        "merges": [asdict(merge) for merge in graph.merges],
        "outputs": list(graph.outputs),
        "dominators": graph.dominators,
        "unmeasurable": graph.unmeasurable,
        "verification": asdict(graph.verification),
        "reduce": graph.reduce,
    }


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a graph is made of, from what :func:`as_dict` returned."""
    return {
        "model": data["model"],
        "inputs": tuple(data["inputs"]),
        "layers": tuple(Layer(**_tuples(layer)) for layer in data["layers"]),
        "merges": tuple(_merge_from_dict(merge) for merge in data["merges"]),
        "outputs": tuple(data["outputs"]),
        "dominators": data["dominators"],
        # files of the first version lack these
        "unmeasurable": data.get("unmeasurable", {}),
        "verification": Verification(
            **_tuples(data.get("verification", {"label": "exact", "tracer": "symbolic"}))
        ),
        "reduce": data.get("reduce", "flatten"),
    }


def _merge_from_dict(fields: Mapping[str, Any]) -> Merge:
    skips = [Skip(**skip) for skip in fields["skips"]]
    branch = fields.get("branch")
    whole = {**fields, "skips": skips, "branch": None if branch is None else Skip(**branch)}
    return Merge(**_tuples(whole))


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
