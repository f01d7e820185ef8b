"""Measurements by anchors: those of all samples are exact, and plans, budgets and errors hold."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.capture.strategy import MOST_SAMPLES


class SkipNet(nn.Module):
    """Two layers that meet in a sum, and the sum and a third in a concatenation."""

    def __init__(self, units=6):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, units), nn.Linear(units, units)
        self.third, self.last = nn.Linear(units, 5), nn.Linear(units + 5, 3)

    def forward(self, x):
        first = torch.tanh(self.first(x))
        both = first + torch.tanh(self.second(first))
        return self.last(torch.cat([both, torch.relu(self.third(both))], 1))


def options(**changes):
    return infoflow.DistanceOptions(**{"mode": "anchors", "sketch_size": 2**20, **changes})


def small_net(units=6):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, units), nn.Tanh(), nn.Linear(units, 3))


def points(samples, batch=300):
    x = torch.randn(samples, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long() + (x[:, 1] > 1).long()
    return list(zip(x.split(batch), y.split(batch), strict=True))


@pytest.mark.parametrize("noise", [0.5, "relative", [0.1, 1.0]])
def test_anchors_that_are_all_samples_give_all_that_exact_distances_give(noise):
    net, loader = SkipNet(), points(120, batch=17)
    common = {"noise": noise, "progress": False}
    exact = infoflow.analyze(net, loader, distances="exact", **common).dataset
    found = infoflow.analyze(net, loader, distances=options(), **common).dataset
    assert found.attrs["capture"].startswith("120 anchors")
    assert set(exact) == set(found)
    assert "stream_unique" in found
    for name, variable in exact.items():
        if variable.dtype.kind == "f":
            np.testing.assert_allclose(found[name], variable, rtol=1e-5, atol=1e-6, err_msg=name)


def test_some_anchors_say_how_far_they_may_be_from_exact():
    loader, net = points(900), small_net()
    exact = infoflow.analyze(net, loader, noise="relative", distances="exact", progress=False)
    found = infoflow.analyze(
        net, loader, noise="relative", distances=options(anchors=150), seed=1, progress=False
    )
    for quantity in ("ixm", "iym"):
        error = np.abs(found.dataset[quantity] - exact.dataset[quantity])
        stated = found.dataset[f"{quantity}_standard_error"]
        assert bool((stated > 0).all())
        assert bool((error < 3 * stated).all())
        widths = [
            r.dataset[f"{quantity}_ci_high"] - r.dataset[f"{quantity}_ci_low"]
            for r in (found, exact)
        ]
        assert bool((widths[0] > widths[1]).all())
    assert found.dataset["ixm_ceiling"].item() == pytest.approx(np.log2(900))


def test_wide_layers_are_sketched_and_the_halves_state_the_error():
    net, loader = SkipNet(units=300), points(120, batch=17)
    common = {"target": "none", "noise": 30.0, "progress": False}
    anchors = infoflow.analyze(net, loader, distances=options(sketch_size=64), **common).dataset
    sketch = infoflow.DistanceOptions("sketch", sketch_size=64)
    expected = infoflow.analyze(net, loader, distances=sketch, **common).dataset
    for name in ("ixm", "ixm_sketch_error", "ixm_ci_low"):
        np.testing.assert_allclose(anchors[name], expected[name], rtol=1e-4, err_msg=name)
    assert bool((anchors["ixm_sketch_error"][0, :3] > 0).all())


def test_a_smaller_budget_takes_more_passes_and_gives_the_same():
    net, loader = SkipNet(), points(600)
    common = {"noise": 0.5, "progress": False}
    kept = options(anchors=100)
    graph = infoflow.trace(net, loader[0][0])
    results = []
    for budget, passes in (("200MB", 2), ("41MB", 4)):
        plan = infoflow.plan(graph, 600, distances=kept, memory_budget=budget)
        assert plan.passes >= passes
        assert plan.memory <= 1e6 * int(budget[:-2])
        results.append(
            infoflow.analyze(net, loader, distances=kept, memory_budget=budget, **common).dataset
        )
    for name in ("ixm", "iym", "iym_null", "stream_added"):
        np.testing.assert_allclose(results[0][name], results[1][name], rtol=1e-6, atol=1e-9)


def test_a_budget_without_room_for_a_merge_leaves_the_streams_out():
    net, loader = SkipNet(), points(120)
    common = {"noise": 0.5, "progress": False}
    with pytest.warns(infoflow.UnmeasurableWarning, match="use fewer anchors"):
        result = infoflow.analyze(
            net, loader, distances=options(anchors=100), memory_budget="37.8MB", **common
        )
    assert "stream_added" not in result.dataset
    with pytest.raises(infoflow.MemoryBudgetError, match=r"100 anchors of .*Expected at least"):
        infoflow.analyze(net, loader, distances=options(anchors=100), memory_budget="1MB", **common)


def test_auto_takes_anchors_above_the_size_that_the_docs_give():
    graph = infoflow.trace(small_net(), torch.zeros(2, 4))
    assert infoflow.plan(graph, MOST_SAMPLES).capture == "exact"
    assert infoflow.plan(graph, MOST_SAMPLES + 1).capture.startswith("1000 anchors")
    assert "rows of distances" in infoflow.plan(graph, 20_000, distances="sketch").capture
    assert infoflow.plan(graph, 10**6).memory == infoflow.plan(graph, 10**4).memory


def test_a_subclass_of_the_kde_with_an_estimate_of_its_own_is_asked_for_it():
    class Own(infoflow.KDE):
        def estimate(self, statistic, labels):
            return super().estimate(statistic, labels)

    graph = infoflow.trace(small_net(), torch.zeros(2, 4))
    captures = [infoflow.plan(graph, 5000, estimator=one()).capture for one in (infoflow.KDE, Own)]
    assert [capture.startswith("1000 anchors") for capture in captures] == [True, False]


def test_auto_measures_many_samples_by_anchors():
    result = infoflow.analyze(small_net(), points(4200), noise=0.5, progress=False)
    assert result.dataset.attrs["capture"].startswith("1000 anchors")
    assert float(result.dataset["ixm_standard_error"].max()) < 0.1


def test_a_time_series_of_batches_that_nobody_can_count_is_measured():
    """The number of samples and Y take one more reading of the loader, without the model."""
    loader = points(600)
    result = infoflow.analyze(
        small_net(), iter_again(loader), distances=options(anchors=100), progress=False
    )
    expected = infoflow.analyze(small_net(), loader, distances=options(anchors=100), progress=False)
    assert result.dataset["iym"].equals(expected.dataset["iym"])


class iter_again:  # noqa: N801
    """Batches without a length."""

    def __init__(self, batches):
        self._batches = batches

    def __iter__(self):
        return iter(self._batches)


def test_other_estimators_have_no_anchors():
    for estimator in ("binning", "renyi"):
        with pytest.raises(infoflow.ArgumentError, match=r"anchors.*estimator='kde'"):
            infoflow.analyze(
                small_net(), points(300), estimator=estimator, distances="anchors", progress=False
            )


@pytest.mark.parametrize("anchors", [99, 1000.0, "many"])
def test_too_few_anchors_or_no_number_are_refused(anchors):
    with pytest.raises((infoflow.ArgumentError, TypeError), match="anchors"):
        infoflow.DistanceOptions("anchors", anchors=anchors)


def test_a_layer_that_is_not_finite_is_named():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    net[0].weight.data[0, 0] = torch.nan
    with pytest.raises(infoflow.ActivationError, match="Layer 0"):
        infoflow.analyze(net, points(300), distances="anchors", progress=False)
