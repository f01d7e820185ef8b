"""Layer graphs made by hand and by chance."""

from collections.abc import Sequence

import networkx as nx
from hypothesis import strategies as st

from infoflow.graph import LayerGraph
from infoflow.interface import Layer, Merge, Skip, Verification

#: A name, a kind, a shape, and what is read.
Row = tuple[str, str, tuple[int, ...], tuple[str, ...]]


def graph_of(
    rows: Sequence[Row], inputs: tuple[str, ...] = ("x",), shared: tuple[str, ...] = ()
) -> LayerGraph:
    """Return a graph of layers. All that is read by none is output; the last stream is the main.

    The layers named in ``shared`` read the same streams, as one concatenation.
    """
    layers = tuple(
        Layer(index, name, kind, shape, streams, is_merge=len(streams) > 1)
        for index, (name, kind, shape, streams) in enumerate(rows)
    )
    index = {layer.name: layer.index for layer in layers}
    merges = []
    for layer in layers:
        if len(layer.streams) < 2 or layer.name in shared[1:]:
            continue
        skips = tuple(
            Skip(source, layer.name, index.get(source), layer.index)
            for source in layer.streams[:-1]
        )
        readers = shared if layer.name in shared else (layer.name,)
        main = layer.streams[-1]
        merges.append(Merge(layer.name, "concat", layer.streams, readers, main, skips, layer.index))
    read = {source for layer in layers for source in layer.streams}
    return LayerGraph(
        model="Net",
        inputs=inputs,
        layers=layers,
        merges=tuple(merges),
        outputs=tuple(layer.name for layer in layers if layer.name not in read),
        dominators={},
        verification=Verification("not verified", "symbolic"),
    )


def chain(count: int) -> LayerGraph:
    """Return a graph of layers one after the other, ten in a module."""
    names = [f"block{number // 10}.{number % 10}" for number in range(count)]
    sources = ["x", *names]
    return graph_of([(name, "Linear", (8,), (sources[n],)) for n, name in enumerate(names)])


@st.composite
def graphs(draw: st.DrawFn, most: int = 40) -> LayerGraph:
    """Any acyclic net with one or two inputs; resolution rises and falls by chance."""
    inputs = ("x", "y")[: draw(st.integers(1, 2))]
    count = draw(st.integers(1, most))
    kinds = draw(st.sampled_from([("Linear",), ("Conv2d",), ("Conv2d", "ConvTranspose2d", "add")]))
    per_module = draw(st.integers(1, 8))
    known = list(inputs)
    rows: list[Row] = []
    for number in range(count):
        name = f"block{number // per_module}.{number}"
        near = st.sampled_from(known[-draw(st.sampled_from([1, 3, 40])) :])
        streams = tuple(draw(st.lists(near, min_size=1, max_size=4, unique=True)))
        kind = draw(st.sampled_from(kinds))
        side = draw(st.sampled_from([4, 8, 16, 32]))
        rows.append((name, kind, (8,) if kind == "Linear" else (8, side, side), streams))
        known.append(name)
    return graph_of(rows, inputs)


def streams_of(graph: LayerGraph) -> nx.DiGraph:
    """Return inputs, layers and the output as nodes, and all streams between them."""
    streams = nx.DiGraph()
    streams.add_nodes_from(graph.inputs)
    streams.add_edges_from((s, layer.name) for layer in graph.layers for s in layer.streams)
    streams.add_edges_from((source, "(output)") for source in graph.outputs)
    return streams
