"""Which layers share a box: modules of one depth, or else runs and pieces."""

import pytest

from infoflow.plots.graphs.grouping import group_layers, modules_of
from tests.plots.graphs.nets import graph_of


def labels(names, *, shapes=None, **settings) -> list[str]:
    """Return the labels of the groups of a chain of layers with these names."""
    sources = ["x", *names]
    rows = [
        (name, "Linear", (8,) if shapes is None else (shapes[n],), (sources[n],))
        for n, name in enumerate(names)
    ]
    return [group.label for group in group_layers(graph_of(rows), **settings)]


STAGES = [f"stage{s}.{b}.conv{c}" for s in range(8) for b in range(3) for c in range(4)]


@pytest.mark.parametrize(
    ("max_places", "count"), [(96, 96), (95, 24), (24, 24), (23, 8), (8, 8), (1, 1)]
)
def test_modules_are_as_small_as_the_number_of_boxes_allows(max_places, count):
    assert len(labels(STAGES, max_places=max_places)) == count


def test_modules_are_opened_within_their_neighbours():
    found = labels(STAGES, max_places=8, unfold="stage3.1")
    opened = [f"stage3.1.conv{n}" for n in range(4)]
    assert found[2:10] == ["stage2", "stage3.0", *opened, "stage3.2", "stage4"]


def test_a_chain_without_modules_is_folded_by_runs_of_equal_layers():
    shapes = [n // 10 for n in range(80)]
    found = labels([str(n) for n in range(80)], shapes=shapes, max_places=20)
    assert found == [f"{n}…{n + 9}" for n in range(0, 80, 10)]


def test_where_nothing_repeats_layers_are_folded_in_pieces_of_equal_size():
    found = labels([str(n) for n in range(50)], shapes=range(50), max_places=10)
    assert found == [f"{n}…{n + 4}" for n in range(0, 50, 5)]


def test_the_calls_of_a_shared_module_are_apart():
    """A siamese net: the second call of a layer has a number behind its name."""
    blocks = [f"encoder.{n}" for n in range(5)]
    names = [*blocks, *(f"{name}:2" for name in blocks), *(f"head.{n}" for n in range(4))]
    groups = labels(names, max_places=4)
    assert groups == ["encoder", "encoder", "head"]


def test_modules_around_a_layer_are_all_of_its_parents():
    assert modules_of("a.b.c") == ["a", "a.b"]
    assert modules_of("a") == []
