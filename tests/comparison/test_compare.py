"""Two results beside each other: differences, their intervals, and the graphs."""

import json

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import infoflow
from infoflow.comparison import graph_difference
from infoflow.comparison.difference_intervals import joint_interval, paired_interval
from infoflow.testing import UNet
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


def graph_of(net, *shape):
    return infoflow.trace(net, torch.zeros(2, *shape))


def flow_of(scale, samples=48, noise=0.1, width=2):
    net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))
    net[0].weight.data = scale * torch.eye(width, 2)
    points = torch.randn(samples, 2, generator=torch.Generator().manual_seed(0))
    return infoflow.analyze(net, [(points, torch.arange(samples) % 2)], noise=noise, progress=False)


# ------------------------------------------------------------------------------ intervals


@pytest.mark.parametrize("correlation", [-1.0, 0.0, 0.9])
def test_a_joint_interval_holds_whatever_the_dependence(correlation):
    random = np.random.default_rng(0)
    noise = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 4000)
    noise *= [1.0, 0.4]
    reach = stats.norm.ppf(0.975) * np.array([1.0, 0.4])
    held = 0
    for one, two in noise:
        ends = joint_interval(
            (one, one - reach[0], one + reach[0]), (2 + two, 2 + two - reach[1], 2 + two + reach[1])
        )
        held += ends[0] <= 2 <= ends[1]
    assert held / 4000 >= 0.95
    if correlation == -1:  # the two err together: as wide as need be, and little wider
        assert held / 4000 == pytest.approx(0.975, abs=0.01)


def test_a_paired_interval_is_scipys():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 40))
    apart, low, high = paired_interval(first, second, np.ones(40))
    known = stats.ttest_rel(second, first).confidence_interval()
    np.testing.assert_allclose([apart, low, high], [(second - first).mean(), *known], rtol=1e-9)


def test_an_end_that_is_not_known_gives_no_interval():
    assert np.isnan(joint_interval((1.0, np.nan, np.nan), (1.0, 0.5, 1.5))).all()


# ------------------------------------------------------------------------------ graphs


def test_the_same_net_differs_in_nothing():
    graph = graph_of(UNet(base_channels=2), 3, 16, 16)
    assert not graph_difference(graph, graph)
    assert "same layers" in str(graph_difference(graph, graph))


class Sums(nn.Module):
    """A residual net that lacks the blocks that are named."""

    def __init__(self, without=()):
        super().__init__()
        self.blocks = nn.ModuleDict(
            {f"b{n}": nn.Linear(3, 3) for n in range(3) if n not in without}
        )

    def forward(self, x):
        for block in self.blocks.values():
            x = x + block(x).relu()
        return x * 2


def test_a_block_less_loses_its_own_sum_and_no_other():
    found = graph_difference(graph_of(Sums(), 3), graph_of(Sums(without=[1]), 3))
    assert found.layers_lost == ("blocks.b1", "add:2")
    assert found.layers_gained == found.merges_gained == ()
    assert found.layers_changed == (
        "blocks.b2: reads add:2 → add",
        "add:2: reads add:2 + blocks.b2 → add + blocks.b2",
    )
    assert found.merges_lost == ("add:2",)
    assert found.skips_lost == ("add->add:2", "add:2->add:3")
    assert found.skips_gained == ("add->add:2",)
    back = graph_difference(graph_of(Sums(without=[1]), 3), graph_of(Sums(), 3))
    assert (back.layers_gained, back.merges_gained) == (found.layers_lost, found.merges_lost)


def test_a_wider_net_has_layers_that_changed():
    first, second = (graph_of(nn.Sequential(nn.Linear(2, w), nn.Linear(w, 2)), 2) for w in (2, 3))
    assert graph_difference(first, second).layers_changed == (
        "0: shape 2 → 3, parameters 6 → 9",
        "1: parameters 6 → 8",
    )


# ------------------------------------------------------------------------------ results


def test_differences_are_those_of_the_last_epochs():
    first, second = flow_of(0.1), flow_of(1.0)
    found = infoflow.compare(first, second, names=("small", "large"))
    row = next(row for row in found.rows if (row.quantity, row.name) == ("I(X;M)", "0"))
    values = [float(one.ixm.sel(epoch=0, layer="0")) for one in (first, second)]
    assert (row.first, row.second, row.difference) == (*values, values[1] - values[0])
    assert row.low <= row.difference <= row.high
    assert (row.finding, row.samples) == ("higher", 0)
    assert found.title() == "large against small"
    assert "I(X;M), of 2: " in found.conclusion
    assert infoflow.compare(first, second.to("nats")).rows[0].difference == pytest.approx(
        found.rows[0].difference
    )


def test_saturated_numbers_do_not_differ_and_what_is_above_the_null_does():
    """An untrained net at its ceiling once 'lost' bits by being trained."""
    with pytest.warns(infoflow.SaturationWarning):
        first, second = flow_of(1.0, noise=1e-5), flow_of(0.01, noise=1e-5)
    found = infoflow.compare(first, second)
    rows = {(row.quantity, row.name): row for row in found.rows}
    lost = rows["I(X;M)", "0"]
    assert (lost.is_saturated, lost.high < 0, lost.finding) == (True, True, "cannot tell")
    above = rows["I(Y;M) above its null", "0"]
    moments = [one.dataset.isel(epoch=-1).sel(layer="0") for one in (first, second)]
    values = [float(moment["iym"] - moment["iym_null"]) for moment in moments]
    assert (above.first, above.second) == pytest.approx(values)
    assert not above.is_saturated
    assert "What lies above the null can be compared" in str(found)


def test_a_result_differs_from_itself_in_nothing_that_can_be_told():
    flow = flow_of(1.0)
    assert {row.finding for row in infoflow.compare(flow, flow).rows} == {"cannot tell"}


def test_other_samples_and_layers_are_said():
    found = infoflow.compare(flow_of(1.0), flow_of(1.0, samples=32))
    assert any("48 and 32 samples" in note for note in found.notes)
    other = infoflow.compare(flow_of(1.0), flow_of(1.0).sel(layer=["0"]))
    assert any("Measured in one of them only" in note for note in other.notes)


@pytest.fixture(scope="module")
def ablations():
    held_out = loader(*clusters(300, seed=3))
    nets = trained(), trained(steps=3)
    return [infoflow.ablate(net, held_out, mend=None, sets=None, progress=False) for net in nets]


def test_whole_nets_are_compared_sample_by_sample(ablations):
    found = infoflow.compare(*ablations)
    row = found.rows[0]
    losses = [one.dataset["sample_bits"].values for one in ablations]
    known = ~np.isnan(losses[0]) & ~np.isnan(losses[1])
    apart = (losses[1] - losses[0])[known]
    ends = stats.t.interval(0.95, len(apart) - 1, apart.mean(), stats.sem(apart))
    assert (row.name, row.samples) == ("", known.sum())
    np.testing.assert_allclose([row.difference, row.low, row.high], [apart.mean(), *ends])
    assert row.finding == "higher"


def test_streams_are_compared_by_what_they_are_worth(ablations):
    found = infoflow.compare(*ablations)
    plain = [row for row in found.rows if row.quantity == "bits lost, as it is"]
    expected = [
        (str(one.skip), two.plain.value - one.plain.value)
        for one, two in zip(*(ablation.rows for ablation in ablations), strict=True)
    ]
    assert [(row.name, row.difference) for row in plain] == expected


def test_it_is_saved_shown_and_drawn(ablations, tmp_path):
    found = infoflow.compare(*ablations)
    again = infoflow.load(found.save(tmp_path / "comparison.nc"))
    assert again == found
    assert again.graph_difference == found.graph_difference
    assert found.conclusion in str(again)
    json.dumps(found.to_dict(), allow_nan=False)
    ax = infoflow.plots.differences(found)
    drawn = [label.get_text() for label in ax.get_yticklabels()]
    assert drawn == [row.name for row in found.rows if row.quantity == "bits lost, as it is"]
    text = infoflow.report(found, tmp_path / "page.html").read_text()
    assert "What differs" in text
    assert "paired" in text


def test_two_graphs_are_compared_without_numbers(tmp_path):
    found = infoflow.compare(graph_of(Sums(), 3), graph_of(Sums(without=[1]), 3))
    assert (len(found), found.conclusion) == (
        0,
        "The graphs differ: 2 layers lost, 2 layers changed, 1 merge lost, 1 skip connection "
        "gained, 2 skip connections lost.",
    )
    assert infoflow.load(found.save(tmp_path / "graphs.nc")).conclusion == found.conclusion
    assert "add:2" in infoflow.report(found, tmp_path / "page.html").read_text()


# ------------------------------------------------------------------------------ wrong input


def test_what_cannot_be_compared(ablations):
    flow = flow_of(1.0)
    with pytest.raises(infoflow.ArgumentTypeError, match="got FlowResult and Ablation"):
        infoflow.compare(flow, ablations[0])
    with pytest.raises(infoflow.ArgumentTypeError, match="got Audit and Audit"):
        infoflow.compare(flow.audit(), flow.audit())
    with pytest.raises(infoflow.ArgumentError, match="kind of estimate is the same"):
        infoflow.compare(flow, flow_of(1.0, noise=0.2))
    with pytest.raises(infoflow.ArgumentError, match="joins several results along 'seed'"):
        infoflow.compare(infoflow.concat([flow, flow], "seed"), flow)
    images = torch.utils.data.TensorDataset(torch.randn(96, 4), torch.rand(96, 3))
    squared = infoflow.ablate(
        Residual(), torch.utils.data.DataLoader(images, batch_size=32), mend=None, sets=None,
        loss="regression", progress=False,
    )  # fmt: skip
    with pytest.raises(infoflow.ArgumentError, match="loss is the same"):
        infoflow.compare(ablations[0], squared)
