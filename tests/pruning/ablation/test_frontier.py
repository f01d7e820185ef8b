"""Nested sets: every stream is tried, and one that can go alone is never missed."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import infoflow
from infoflow.pruning.ablation.accounting import Savings
from infoflow.pruning.ablation.frontier import walk
from infoflow.pruning.ablation.nets import Examined
from tests.pruning.ablation.nets import clusters, loader, trained
from tests.tiers import examples


def measuring(cost):
    """Return what measures sets by a cost, and the sets that it was asked for."""
    asked = []

    def measure(names):
        asked.append(tuple(names))
        bits = cost(names)
        return Examined(tuple(names), {"plain": bits}, "plain", None, Savings())

    return measure, asked


costs = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@examples(50)
@given(costs, st.floats(0.1, 3.0))
def test_points_are_nested_within_the_tolerance_and_every_stream_is_tried(values, tolerance):
    by_name = {f"s{number}": value for number, value in enumerate(values)}
    measure, asked = measuring(lambda names: sum(by_name[name] for name in names))
    found = walk(list(by_name), tolerance, measure)
    sets = [set(point.streams) for point in found.points]
    assert all(one < other for one, other in itertools.pairwise(sets))
    assert all(sum(map(by_name.get, one)) <= tolerance for one in sets)
    last = sets[-1] if sets else set()
    assert last | set(found.refused) == set(by_name)
    within = [one for one in asked if sum(map(by_name.get, one)) <= tolerance]
    assert max(map(len, within), default=0) == len(last)
    # of costs that add up, no refused stream fits
    assert all(sum(map(by_name.get, last)) + by_name[n] > tolerance for n in found.refused)


def test_a_dear_first_stream_ends_nothing():
    """Three sets that cost too much once ended the walk, though the fourth stream was free."""
    by_name = {"a": 9.0, "b": 9.0, "c": 9.0, "d": 9.0, "free": 0.0}
    measure, _ = measuring(lambda names: sum(by_name[name] for name in names))
    assert [point.streams for point in walk(list(by_name), 1.0, measure).points] == [("free",)]


def test_a_stream_that_can_go_alone_is_a_point_whatever_the_samples_that_choose_say():
    measure, _ = measuring(lambda names: 2.0 * len(names))
    assert not walk(["a", "b"], 1.0, measure).points
    found = walk(["a", "b"], 1.0, measure, alone={"b"})
    assert [point.streams for point in found.points] == [("b",)]


@pytest.mark.parametrize("sets", ["frontier", None])
def test_cuttable_is_never_empty_where_one_stream_can_go(sets):
    found = infoflow.ablate(
        trained(), loader(*clusters(420, seed=3)), mend=None, sets=sets, progress=False
    )
    for tolerance in (1e-6, 0.01, 0.5, 3.0, 50.0):
        judged = found.with_tolerance(tolerance)
        can_go = {row.skip.name for row in judged.rows if row.verdict == "prune"}
        assert bool(can_go) <= bool(judged.cuttable)
        assert judged.conclusion.startswith("Can go" if judged.cuttable else "Nothing")
    assert "blocks.2->add:3" in found.cuttable


def test_the_conclusion_has_the_bits_the_metric_the_parameters_and_what_must_stay():
    found = infoflow.ablate(
        *(trained(), loader(*clusters(420, seed=3))),
        metric="accuracy",
        streams=["blocks.2->add:3", "add->add:2"],
        mend=None,
        progress=False,
    )
    free, needed = found["blocks.2->add:3"], found["add->add:2"]
    share = free.parameters / sum(one.numel() for one in trained().parameters())
    assert found.conclusion == (
        f"Can go: {free.skip} (0.0000 ± 0.0000 bits a label, accuracy +0.0000; "
        f"{100 * share:.0f} % of the parameters). Must stay: {needed.skip}."
    )


def test_what_can_go_alone_and_not_with_the_others_is_named():
    net = trained()
    found = infoflow.ablate(
        *(net, loader(*clusters(420, seed=3))), mend=None, metric="accuracy", progress=False
    )
    for tolerance in (0.01, 0.5, 3.0):
        judged = found.with_tolerance(tolerance)
        chosen = set(judged.cuttable)
        left = {
            merge.name: [one for one in merge.streams if f"{one}->{merge.name}" not in chosen]
            for merge in judged.graph.merges
        }
        others = [
            row
            for row in judged.rows
            if row.verdict == "prune" and row.skip.name not in chosen
            if len(left[row.skip.merge]) > 1  # the last one has to stay
        ]
        said = judged.conclusion
        assert all(str(row.skip) in said for row in others)
        assert ("Alone, and not shown to go with these" in said) == bool(others and judged.chosen)


def test_a_point_has_the_metric_of_its_net_and_its_worst_class():
    net, (points, labels) = trained(), clusters(420, seed=3)
    found = infoflow.ablate(
        net, loader(points, labels), mend=None, metric="accuracy", tolerance=5.0, progress=False
    )
    judge = torch.as_tensor(found.dataset["role"].values == "judge")
    for point in found.frontier():
        lost = point.metric
        slim = infoflow.prune(net, point.streams, points[:2]).eval()
        with torch.no_grad():
            is_right = (slim(points[judge]).argmax(1) == labels[judge]).double()
        assert lost.other == pytest.approx(float(is_right.mean()))
        assert lost.whole - lost.other == pytest.approx(lost.value)
        (worst,) = lost.groups
        assert worst.samples == int((labels[judge] == int(worst.name)).sum())
        assert worst.low <= worst.value <= worst.high


def test_the_screen_says_what_it_took():
    found = infoflow.ablate(
        *(trained(), loader(*clusters(420, seed=3))), mend=None, sets=None, progress=False
    )
    assert "It took as long as" in str(found)
    assert "multiply-adds" in str(found)


def test_streams_that_save_nothing_are_in_no_set_unless_they_are_named():
    """Bypasses of residual blocks once went beside the bodies, at a price and for nothing."""
    torch.manual_seed(0)
    net, data = trained(), loader(*clusters(420, seed=3))
    allowed = infoflow.Tolerance(50.0, largest_rise=60.0)
    found = infoflow.ablate(net, data, mend=None, tolerance=allowed, progress=False)
    savings = {row.skip.name: (row.parameters, row.multiply_adds) for row in found.rows}
    free = {name for name, saved in savings.items() if max(saved) == 0}
    assert free
    taken = {name for point in found.frontier() for name in point.streams}
    assert taken
    assert taken.isdisjoint(free)
    assert free.isdisjoint(found.cuttable)
    named = infoflow.ablate(
        net, data, streams=sorted(free)[:1], mend=None, tolerance=allowed, progress=False
    )
    assert set(named.cuttable) == {sorted(free)[0]}
