"""What shares a box: every layer once, every stream kept, no circles, no more boxes than asked."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infoflow.interface import ArgumentError, LayerNotFoundError
from infoflow.plots.graphs import FoldedGraph, fold
from tests.plots.graphs.nets import chain, graph_of, graphs, streams_of
from tests.tiers import examples


def check_folding(graph, folded: FoldedGraph) -> None:
    held = [layer.name for place in folded.places for layer in place.layers]
    assert held == list(graph.names)
    names = [place.name for place in folded.places]
    assert len(set(names)) == len(names)
    holder = {layer.name: place.name for place in folded.places for layer in place.layers}
    holder |= {name: name for name in (*graph.inputs, "(output)")}
    expected = {
        (holder[s], holder[t]) for s, t in streams_of(graph).edges if holder[s] != holder[t]
    }
    assert straight(folded) == expected
    found = folded.to_networkx()
    assert nx.is_directed_acyclic_graph(found)
    order = {name: number for number, name in enumerate(names)}
    assert all(order[source] < order[target] for source, target in found.edges)


def straight(folded: FoldedGraph) -> set[tuple[str, str]]:
    """Return the streams with those of each junction joined end to end."""
    streams = folded.to_networkx()
    for place in folded.places:
        if place.role == "junction":
            ends = [
                (s, t) for s in streams.predecessors(place.name)
                for t in streams.successors(place.name)
            ]  # fmt: skip
            streams.remove_node(place.name)
            streams.add_edges_from(ends)
    return set(streams.edges)


@examples(25)
@given(graph=graphs(), max_places=st.integers(1, 45))
def test_folding_keeps_every_layer_and_every_stream(graph, max_places):
    folded = fold(graph, max_places=max_places)
    check_folding(graph, folded)
    assert sum(bool(place.layers) for place in folded.places) <= max_places


@pytest.mark.parametrize("max_places", [1, 2, 5, 10, 20, 69, 70])
@pytest.mark.parametrize("unfold", [(), "layer3"])
def test_folding_a_resnet(resnet50_graph, max_places, unfold):
    folded = fold(resnet50_graph, unfold=unfold, max_places=max_places)
    check_folding(resnet50_graph, folded)
    if not unfold:
        assert sum(bool(place.layers) for place in folded.places) <= max_places


def test_folds_are_named_as_their_modules(resnet50_graph):
    folded = fold(resnet50_graph, max_places=10)
    names = [place.name for place in folded.places]
    assert names == ["x", "conv1", "layer1", "layer2", "layer3", "layer4", "fc", "(output)"]
    assert folded["layer3"].merges == ("add",) * 6
    with pytest.raises(LayerNotFoundError, match=r"No place is named 'layer9'. There are x, conv1"):
        folded["layer9"]


def test_a_module_in_pieces_has_places_with_indices():
    around = ("a.0", "a.1", "b.0", "b.1", "a.2", "a.3", "c.0", "c.1", "d.0", "d.1", "e.0", "e.1")
    sources = ("x", *around)
    graph = graph_of([(n, "Linear", (8,), (sources[i],)) for i, n in enumerate(around)])
    names = [place.name for place in fold(graph, max_places=6).places]
    assert names == ["x", "a[0:2]", "b", "a[4:6]", "c", "d", "e", "(output)"]


def test_a_layer_named_like_a_module_keeps_its_name():
    names = [f"{module}.{n}" for module in "abcdef" for n in range(2)]
    names.insert(2, "a")
    sources = ("x", *names)
    graph = graph_of([(n, "Linear", (8,), (sources[i],)) for i, n in enumerate(names)])
    folded = fold(graph, max_places=8)
    assert [place.name for place in folded.places][1:4] == ["a[0:2]", "a", "b"]
    check_folding(graph, folded)


@pytest.mark.parametrize(
    ("unfold", "opened"),
    [
        ("layer3", "layer3."),
        ("layer3.*", "layer3."),
        ("layer3.5", "layer3.5."),
        ("layer3.5.conv1", "layer3.5.conv1"),
        (["layer1.0", "layer4.?"], ("layer1.0.", "layer4.")),
        ("*.conv2", tuple(f"layer{n}." for n in range(1, 5))),
    ],
)
def test_unfold_takes_names_and_globs(resnet50_graph, unfold, opened):
    folded = fold(resnet50_graph, unfold=unfold, max_places=10)
    single = {place.name for place in folded.places if place.role == "layer"}
    wanted = {name for name in resnet50_graph.names if name.startswith(opened)}
    if unfold == "*.conv2":
        wanted = {name for name in wanted if name.endswith(".conv2")}
    assert wanted <= single
    assert folded.folds
    check_folding(resnet50_graph, folded)


def test_all_unfolds_every_layer(resnet50_graph):
    assert not fold(resnet50_graph, unfold="all", max_places=1).folds


def test_small_graphs_are_not_folded():
    assert not fold(chain(12), max_places=12).folds
    assert fold(chain(12), max_places=11).folds


def test_a_wrong_name_to_unfold_shows_the_nearest(resnet50_graph):
    with pytest.raises(
        LayerNotFoundError, match=r"'layer3.0.conv9'. The nearest names are layer3.0.conv\d, "
    ):
        fold(resnet50_graph, unfold="layer3.0.conv9", max_places=10)


@pytest.mark.parametrize("max_places", [0, -3])
def test_there_is_at_least_one_place(resnet50_graph, max_places):
    with pytest.raises(ArgumentError, match=f"max_places must be 1 or more, got {max_places}"):
        fold(resnet50_graph, max_places=max_places)


def test_a_concatenation_that_several_places_read_is_a_junction():
    rows = [
        ("a", "Linear", (8,), ("x",)),
        ("b", "Linear", (8,), ("x",)),
        ("c", "Linear", (8,), ("a", "b")),
        ("d", "Linear", (8,), ("a", "b")),
    ]
    graph = graph_of(rows, shared=("c", "d"))
    folded = fold(graph)
    assert [place.name for place in folded.places if place.role == "junction"] == ["(c)"]
    assert {(s.source, s.target) for s in folded.streams if "(c)" in (s.source, s.target)} == {
        ("a", "(c)"), ("b", "(c)"), ("(c)", "c"), ("(c)", "d"),
    }  # fmt: skip
    check_folding(graph, folded)


def test_the_skips_of_the_unet_are_between_its_places(unet_graph):
    skips = [skip for stream in fold(unet_graph).streams for skip in stream.skips]
    assert sorted(skips) == ["1→20", "3→17", "5→14", "7→11"]
