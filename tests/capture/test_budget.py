"""Memory budgets and the passes that they make."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infoflow.capture.budget import (
    fixed_bytes,
    format_bytes,
    parse_bytes,
    plan_passes,
    plan_whole_layers,
)
from infoflow.estimators.statistics import Values
from infoflow.interface import Layer, MemoryBudgetError


def layers_of(widths):
    return [Layer(i, f"layer{i}", "Linear", (w,), ()) for i, w in enumerate(widths)]


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=8),
    st.integers(2, 300),
    st.integers(1, 20_000),
    st.sampled_from([4, 8]),
)
def test_every_unit_is_collected_once_and_no_pass_exceeds_the_budget(widths, samples, room, size):
    layers = layers_of(widths)
    budget = fixed_bytes(samples) + room * samples * size
    passes = plan_passes(layers, samples, budget, size)
    for slices in passes:
        held = sum(piece.width for piece in slices) * samples * size
        assert held + fixed_bytes(samples) <= budget
        assert len({piece.layer.name for piece in slices}) == len(slices)
    pieces = [piece for slices in passes for piece in slices]
    for layer in layers:
        own = [(p.start, p.stop) for p in pieces if p.layer is layer]
        assert own[0][0] == 0
        assert own[-1][1] == layer.units
        assert all(a[1] == b[0] for a, b in itertools.pairwise(own))
    assert len(passes) == -(-sum(widths) // room)


def test_a_budget_for_all_columns_takes_one_pass_and_one_less_takes_two():
    layers = layers_of([100, 200])
    needed = fixed_bytes(50) + 50 * 4 * 300
    assert len(plan_passes(layers, 50, needed, 4)) == 1
    assert len(plan_passes(layers, 50, needed - 200, 4)) == 2


def test_too_small_a_budget_says_how_much_would_do():
    with pytest.raises(MemoryBudgetError, match=r"1 kB does not hold .* Expected at least 33.6 MB"):
        plan_passes(layers_of([10]), 20, 1000, 4)


@pytest.mark.parametrize(
    ("text", "number"),
    [("2GB", 2 * 10**9), ("512 MiB", 512 * 2**20), ("1.5g", 15 * 10**8), (1000, 1000), ("7", 7)],
)
def test_parse_bytes(text, number):
    assert parse_bytes(text) == number


@pytest.mark.parametrize("text", ["", "two", "-1GB", 0, "0", "3 XB"])
def test_parse_bytes_refuses(text):
    with pytest.raises(ValueError, match="memory_budget must be"):
        parse_bytes(text)


def test_format_bytes():
    assert [format_bytes(n) for n in (5, 1000, 6.07e9, 2e13)] == ["5 B", "1 kB", "6.07 GB", "20 TB"]


def test_whole_layers_share_passes_and_a_layer_that_is_too_large_is_named():
    layers = layers_of([10, 10, 30])
    passes = plan_whole_layers(layers, 5, Values(), 2 * 30 * 5 * 4, 4)
    assert [[layer.name for layer in wanted] for wanted in passes] == [
        ["layer0", "layer1"],
        ["layer2"],
    ]
    with pytest.raises(MemoryBudgetError, match=r"layer layer2 \(30 units\) for 5 samples"):
        plan_whole_layers(layers, 5, Values(), 2 * 30 * 5 * 4 - 1, 4)
